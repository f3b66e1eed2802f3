"""However a run is carried, x and all that does not depend on the machine are the same bits."""

import numpy as np
import pytest
from pieces import allows, every, suited
from processes import SMALL, lasting, summary

from psim.config import parse
from psim.launch.single import run

FIRST = {piece.name: piece for piece in reversed(every("methods"))}
METHODS = sorted(FIRST)
WORKERS = 20


def _document(method: str, /, **changes: object) -> dict[str, object]:
    compressor = {"name": "identity"} if method == "gd" else {"name": "topk", "k": 2}
    return suited(
        {
            **SMALL,
            "workers": WORKERS,
            "rounds": 12,
            "method": FIRST[method].document(),
            "compressor": compressor,
            "metrics": {"every": 5},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Run folders by how the run was carried, each made once."""
    made = {}

    def folder(method, /, **changes):
        key = repr((method, sorted(changes.items())))
        if key not in made:
            made[key] = tmp_path_factory.mktemp(method)
            run(parse(_document(method, **changes)), made[key])
        return made[key]

    return folder


@pytest.mark.parametrize("processes", [1, 2, WORKERS])
@pytest.mark.parametrize("method", METHODS)
def test_over_tcp_as_in_process(folders, method, processes):
    here = folders(method, transport="inproc")
    there = folders(method, processes=processes)
    assert summary(there)["status"] == summary(here)["status"] == "done"
    assert (there / "x.npy").read_bytes() == (here / "x.npy").read_bytes()
    assert summary(there)["x_sha256"] == summary(here)["x_sha256"]
    assert lasting(there) == lasting(here)
    assert [row["round"] for row in lasting(there)] == [0, 5, 10, 12]
    for key in ("theory", "bytes", "framed_per_worker", "start_bits", "data_sha256", "final"):
        volatile = {"wall", "diagnostic_s", "lag"} if key == "final" else set()
        mine, theirs = summary(here)[key], summary(there)[key]
        if volatile:
            mine = {k: v for k, v in mine.items() if k not in volatile}
            theirs = {k: v for k, v in theirs.items() if k not in volatile}
        assert mine == theirs, key


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
@pytest.mark.parametrize("method", METHODS)
def test_all_downlinks_lead_to_the_same_x(folders, method, transport):
    modes = [mode for mode in ("model", "update", "gather") if allows(FIRST[method], mode)]
    runs = [
        folders(method, transport=transport, method={**FIRST[method].document(), "downlink": mode})
        for mode in modes
    ]
    for other in runs[1:]:
        assert summary(runs[0])["x_sha256"] == summary(other)["x_sha256"]
        for field in ("loss", "grad_norm_sq", "distortion", "up_framed", "up_bits"):
            assert [r[field] for r in lasting(runs[0])] == [r[field] for r in lasting(other)]


def test_minibatches_schedules_and_moments_are_carried_alike(folders):
    changes = {
        "problem": {**SMALL["problem"], "batch": 8},
        "metrics": {"every": 3, "full": 6},
        "optimizer": {"name": "adam", "weight_decay": 0.01},
        "step_size": {"value": 0.01, "rule": "constant", "schedule": "cosine"},
        "method": {"name": "ef_sgd", "downlink": "gather"},
    }
    here = folders("ef_sgd", transport="inproc", **changes)
    there = folders("ef_sgd", processes=3, **changes)
    assert summary(there)["x_sha256"] == summary(here)["x_sha256"]
    assert lasting(there) == lasting(here)
    rows = lasting(here)
    assert [row["loss"] is None for row in rows] == [False, True, False, True, False]
    assert all(row["train_loss"] > 0 for row in rows)


def test_an_update_of_few_entries_is_smaller_than_the_model(folders):
    few = {
        "transport": "inproc",
        "workers": 4,
        "processes": 4,
        "compressor": {"name": "topk", "k": 1},
    }
    model = folders("ef21", **few)
    update = folders("ef21", **few, method={"name": "ef21", "downlink": "update"})
    assert summary(model)["x_sha256"] == summary(update)["x_sha256"]
    assert lasting(update)[-1]["down_framed"] < lasting(model)[-1]["down_framed"] / 2


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_the_resolved_config_gives_the_same_run(folders, tmp_path, transport):
    from psim.config import load

    first = folders("ef21", transport=transport)
    run(parse(load(first / "config.yaml"), tmp_path), tmp_path / "again")
    assert lasting(tmp_path / "again") == lasting(first)
    assert summary(tmp_path / "again")["x_sha256"] == summary(first)["x_sha256"]


def test_rounded_values_and_shared_randomness_are_carried_alike(folders):
    changes = {
        "compressor": {"name": "randk", "k": 3},
        "step_size": 0.01,
        "wire": {"values": "float16"},
        "network": {
            "uplink": {"bandwidth": "12345678.9 bit/s"},
            "overrides": {3: {"uplink": {"latency": "1 s"}}},
        },
        "method": {"name": "dcgd"},
    }
    here = folders("dcgd", transport="inproc", **changes)
    there = folders("dcgd", processes=3, **changes)
    assert lasting(here) == lasting(there)
    assert np.array_equal(np.load(here / "x.npy"), np.load(there / "x.npy"))


def test_coded_indices_are_carried_alike_and_lead_to_the_same_x(folders):
    changes = {
        "workers": 3,
        "rounds": 4,
        "problem": {"name": "quadratic", "dimension": 600, "mu": 0.5},
        "start": {"kind": "normal", "seed": 1},
        "method": {"name": "ef21", "downlink": "update"},
        "compressor": {"name": "topk", "k": 260},
    }
    raw = folders("ef21", transport="inproc", **changes, wire={"indices": "raw"})
    here = folders("ef21", transport="inproc", **changes)
    there = folders("ef21", processes=2, **changes)
    assert lasting(there) == lasting(here)
    assert len({summary(folder)["x_sha256"] for folder in (raw, here, there)}) == 1
    mine, plain = lasting(here)[-1], lasting(raw)[-1]
    assert mine["up_bits"] == plain["up_bits"]
    assert mine["up_framed"] < plain["up_framed"] - 4 * 3 * 260


def test_another_seed_is_another_run(folders):
    changes = {"compressor": {"name": "randk", "k": 3}, "step_size": 0.01}
    one = folders("dcgd", transport="inproc", **changes)
    two = folders("dcgd", transport="inproc", seed=1, **changes)
    assert summary(one)["x_sha256"] != summary(two)["x_sha256"]
