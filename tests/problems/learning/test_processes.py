"""A network's run repeats, bit for bit, whatever carries it."""

from pathlib import Path

import learnable
import pytest
import torch
from processes import lasting, summary

import psim
from psim.errors import ConfigError, DataError, UsageError

CONFIG: dict[str, object] = {
    "rounds": 8,
    "workers": 3,
    "problem": {
        "name": "torch",
        "model": "cnn",
        "model_args": {"width": 4, "batch_norm": True},
        "dataset": "digits",
        "dataset_args": {"holdout": 97},
        "partition": "dirichlet",
        "alpha": 1.0,
        "batch": 16,
        "augment": ["crop"],
        "batch_norm": "averaged",
    },
    "method": {"name": "def", "momentum": 0.9},
    "compressor": {"name": "topk", "k": "5%", "scope": "layer"},
    "step_size": 0.05,
    "evaluate": {"every": 4, "by": "all"},
    "metrics": {"every": 2},
    "compute": {"kind": "constant", "seconds": 0.001},
}


def test_bits_do_not_depend_on_processes_and_transport(tmp_path: Path) -> None:
    ways = {
        "one": {"transport": "inproc"},
        "two": {"processes": 1},
        "three": {"processes": 3},
    }
    for name, how in ways.items():
        psim.run({**CONFIG, **how}, out=tmp_path / name)
    first, *others = (summary(tmp_path / name) for name in ways)
    assert first["status"] == "done"
    assert first["best"].keys() == {"test_accuracy", "test_loss"}
    for name, other in zip(list(ways)[1:], others, strict=True):
        assert other["x_sha256"] == first["x_sha256"]
        assert lasting(tmp_path / name) == lasting(tmp_path / "one")
        assert other["audit"]["difference"] == 0
        for held in other["memory"].values():
            assert 0 < held["loaded"] <= held["peak"]


def test_objects_run_here_and_in_processes_that_get_a_copy(tmp_path: Path) -> None:
    train, test = learnable.data()
    module = learnable.network()
    named = psim.TorchProblem(module, train, test=test)
    brought = {key: CONFIG[key] for key in ("rounds", "workers", "step_size", "compute")}
    brought |= {"problem": {"batch": 8}, "method": "sgd"}
    ways = {"here": {"transport": "inproc"}, "there": {"processes": 2}}
    for name, how in ways.items():
        psim.run({**brought, **how}, out=tmp_path / name, problem=named)
    here, there = (summary(tmp_path / name) for name in ways)
    assert here["x_sha256"] == there["x_sha256"]
    no_copy = psim.TorchProblem(module, train, lambda outputs, _: outputs.square().mean())
    psim.run({**brought, **ways["here"]}, out=tmp_path / "lambda", problem=no_copy)
    with pytest.raises(UsageError, match=r"can't be copied to another process: .*lambda"):
        psim.run({**brought, **ways["there"]}, out=tmp_path / "never", problem=no_copy)


def test_tensors_that_shared_memory_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container has 64 MB of it; this is what torch says there."""

    def full(*_: object, **__: object) -> None:
        raise RuntimeError(
            "unable to allocate shared memory(shm) for file </torch_1_2_3>: No space"
        )

    monkeypatch.setattr(torch.UntypedStorage, "_share_fd_cpu_", full)
    train, test = learnable.data()
    named = psim.TorchProblem(learnable.network(), train, test=test)
    brought = {"rounds": 1, "workers": 2, "processes": 2, "step_size": 0.1, "method": "sgd"}
    with pytest.raises(UsageError, match=r"No space: give the machine's shared memory more room"):
        psim.run({**brought, "problem": {"batch": 8}}, out=tmp_path / "never", problem=named)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"workers": 200}, DataError, "fewer than"),
        ({"problem": {**CONFIG["problem"], "dataset": "cifar11"}}, DataError, "cifar11"),
        ({"problem": {**CONFIG["problem"], "model": "cnm"}}, ConfigError, "did you mean cnn"),
    ],
)
def test_wrong_input_is_seen_before_anything_is_written(
    tmp_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        psim.run({**CONFIG, **change, "transport": "inproc"}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for device in ("cuda:77", "quantum", "meta"):
        with pytest.raises(ConfigError, match=f"--device {device}: .* use --device cpu"):
            psim.run(CONFIG, out=tmp_path / "out", device=device)
    convex = {**CONFIG, "problem": {"name": "logistic", "dataset": "digits"}, "evaluate": None}
    with pytest.raises(ConfigError, match="logistic computes on the CPU"):
        psim.run(convex, out=tmp_path / "out", device="cuda")
