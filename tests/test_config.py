import json
import subprocess
import sys

import pytest
from processes import ROOT, SMALL

from psim.config import load, parse
from psim.errors import ConfigError, InputError

LEAST: dict[str, object] = {
    "rounds": 10,
    "workers": 4,
    "problem": {"name": "logistic", "dataset": "breast_cancer"},
    "method": "ef21",
    "compressor": {"name": "topk", "k": 1},
}


def test_the_defaults():
    config = parse(LEAST)
    assert (config.name, config.seed, config.transport, config.security) == (
        "run",
        0,
        "tcp",
        "none",
    )
    assert (config.start.kind, config.step_size.rule, config.step_size.multiple) == (
        None,
        "theorem2",
        1,
    )
    assert config.network.clock == "virtual"
    assert config.network.uplink.bandwidth is None
    assert config.compute.kind == "measured"
    assert (config.wire.values, config.wire.indices, config.metrics.every) == ("native", "auto", 1)
    assert (config.deadlines.join, config.deadlines.silence) == (60, 60)


FULL = {
    **LEAST,
    "name": "full.1+x=2,@-",
    "seed": 2**63 - 1,
    "processes": 2,
    "transport": "inproc",
    "start": {"kind": "normal", "std": 0.1, "seed": 3},
    "step_size": {"rule": "theorem3", "multiple": 2, "mu": 0.1},
    "network": {
        "clock": "none",
        "uplink": {"bandwidth": "10 Mbit/s", "latency": "20 ms"},
        "downlink": {"bandwidth": "123456789 bit/s"},
        "master": {"ingress": "1 Gbit/s", "egress": "1 GB/s"},
        "overrides": {3: {"uplink": {"bandwidth": "1 Mbit/s"}}},
        "mtu": 9000,
    },
    "compute": {"kind": "constant", "seconds": "1 ms"},
    "wire": {"values": "float32", "model": "float32", "indices": "raw"},
    "metrics": {"every": 3},
    "deadlines": {"join": "5 s", "silence": 1.5},
    "stop": {"grad_norm_sq": 1e-12, "time": "10 min", "bytes": "1 GB"},
}


@pytest.mark.parametrize(
    "document",
    [LEAST, FULL, SMALL, {**LEAST, "step_size": 0.1}, {**LEAST, "compressor": "identity"}],
    ids=["least", "full", "small", "number", "name"],
)
def test_a_resolved_config_reads_back_the_same(tmp_path, document):
    from psim import documents

    config = parse(document, tmp_path)
    (tmp_path / "config.yaml").write_text(documents.write(config.document()))
    again = parse(load(tmp_path / "config.yaml"), tmp_path / "elsewhere")
    assert again == config
    assert again.document() == config.document()
    assert parse(json.loads(json.dumps(config.document()))) == config


WRONG = [
    ({"rounds": 0}, "rounds: 0: Input should be greater than or equal to 1"),
    ({"rounds": -5}, "rounds: -5: "),
    ({"rounds": 2**31}, "rounds: 2147483648: Input should be less than"),
    ({"rounds": "many"}, "rounds: 'many': Input should be a valid integer"),
    ({"rounds": 1.5}, "rounds: 1.5: Input should be a valid integer"),
    ({"rounds": True}, "rounds: True is true or false"),
    ({"rounds": None}, "rounds: None: Input should be a valid integer"),
    ({"rounds": list(range(10_000))}, "rounds: [0, 1, 2"),
    ({"workers": 0}, "workers: 0: "),
    ({"workers": 10**9}, "workers: 1000000000: Input should be less than or equal to 1000000"),
    ({"seed": -1}, "seed: -1: "),
    ({"seed": 2**63}, "seed: 9223372036854775808: "),
    ({"processes": 5}, "processes: 5 exceeds workers = 4: a process hosts at least one rank"),
    ({"processes": 0}, "processes: 0: "),
    ({"transport": "udp"}, "transport: 'udp': Input should be 'tcp' or 'inproc'"),
    ({"name": "a/b"}, "name: 'a/b': String should match pattern"),
    ({"name": ".."}, "name: '..': "),
    ({"name": ""}, "name: '': "),
    ({"name": 3}, "name: 3: Input should be a valid string"),
    ({"name": "x" * 121}, "name: 'xxx"),
    ({"roundz": 1}, "roundz: unknown key; did you mean rounds? known: "),
    ({"network": {"uplnk": {}}}, "network.uplnk: unknown key; did you mean uplink? known: "),
    ({"network": {"uplink": {"speed": 1}}}, "network.uplink.speed: unknown key; known: bandwidth"),
    ({"network": {"uplink": {"bandwidth": "10 MB"}}}, "network.uplink.bandwidth: '10 MB' has no"),
    ({"network": {"uplink": {"bandwidth": "fast"}}}, "network.uplink.bandwidth: 'fast' is not a"),
    ({"network": {"uplink": {"latency": "-1 ms"}}}, "network.uplink.latency: '-1 ms' is not a dur"),
    ({"network": {"uplink": 3}}, "network.uplink: 3: Input should be"),
    (
        {"network": {"overrides": {4: {}}}},
        "network.overrides: rank 4 is not among the ranks 0 to 3",
    ),
    ({"network": {"overrides": {"a": {}}}}, "network.overrides"),
    ({"network": {"clock": "wall"}}, "network.clock: 'wall': Input should be"),
    ({"network": {"mtu": 100}}, "network.mtu: 100: "),
    ({"metrics": {"every": 0}}, "metrics.every: 0: "),
    (
        {"deadlines": {"join": "soon"}},
        "deadlines.join: 'soon' is not a duration: write it like 20 ms",
    ),
    ({"stop": {"bytes": "1 GBit"}}, "stop.bytes: '1 GBit' has no unit of a size"),
    ({"stop": {"grad_norm_sq": 0}}, "stop.grad_norm_sq: 0: "),
    (
        {"stop": {"grad_norm_sq": "nan"}},
        "stop.grad_norm_sq: 'nan': Input should be a finite number",
    ),
    ({"step_size": -1}, "step_size.value: -1: Input should be greater than 0"),
    ({"step_size": "big"}, "step_size: 'big': "),
    ({"step_size": {"rule": "theorem4"}}, "step_size.rule: 'theorem4': Input should be"),
    ({"step_size": {"rule": "theorem3"}}, "step_size: rule: theorem3 needs mu"),
    ({"step_size": {"value": 1}}, "step_size: value goes with rule: constant"),
    ({"step_size": {"multiple": 0}}, "step_size.multiple: 0: "),
    ({"step_size": True}, "step_size: True"),
    ({"start": {"kind": "file"}}, "start: start.path goes with kind: file"),
    ({"start": {"kind": "normal", "std": 0}}, "start.std: 0: "),
    ({"compute": {"kind": "constant"}}, "compute: seconds goes with kind: constant"),
    ({"wire": {"values": "int8"}}, "wire.values: 'int8': Input should be"),
    ({"security": "curve"}, "security: 'curve': Input should be 'none'"),
    ({"method": "ef22"}, "method: unknown name 'ef22'; did you mean ef21? known: "),
    ({"method": {"name": "ef21", "init": "none"}}, "method.init: 'none': Input should be"),
    ({"method": {"name": "gd", "init": "zero"}}, "method.init: unknown key; known: downlink"),
    ({"method": 3}, "method: 3: give a mapping with a name"),
    ({"compressor": {"name": "topk", "k": "200%"}}, "compressor.k: "),
    ({"compressor": {"name": "topk", "k": True}}, "compressor.k: True"),
    ({"problem": {"name": "logistic"}}, "problem.dataset: this key is missing: give it a value"),
    ({"problem": {"name": "logistic", "dataset": ""}}, "problem.dataset: give a known data set's"),
    ({"problem": {"name": "logistic", "dataset": 3}}, "problem.dataset: 3: "),
    ({"problem": {"name": "logistic", "dataset": "digits", "lam": -1}}, "problem.lam: -1"),
]


@pytest.mark.parametrize(("changes", "wrong"), WRONG, ids=[wrong for _, wrong in WRONG])
def test_what_is_wrong_is_one_line_that_names_the_key(changes, wrong):
    with pytest.raises(InputError) as error:
        parse({**LEAST, **changes})
    assert str(error.value).startswith(wrong)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("key", ["rounds", "workers", "problem", "method"])
def test_what_is_missing_is_named(key):
    with pytest.raises(ConfigError, match=f"^{key}: this key is missing: give it a value$"):
        parse({k: v for k, v in LEAST.items() if k != key})


def test_numbers_may_be_written_as_people_do():
    config = parse({**LEAST, "rounds": 1e3, "step_size": 1, "stop": {"bytes": 10**9}})
    assert config.rounds == 1000
    assert config.step_size.value == 1.0
    assert config.stop.bytes == 1e9


def test_relative_paths_start_at_the_configs_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = {"kind": "file", "path": "x0.npy"}
    problem = {"name": "logistic", "dataset": "sub/data.txt"}
    config = parse({**LEAST, "start": start, "problem": problem}, tmp_path / "configs")
    assert config.start.path == str(tmp_path / "configs" / "x0.npy")
    assert config.problem.document()["dataset"] == str(tmp_path / "configs" / "sub" / "data.txt")


def test_a_config_is_named_after_its_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("rounds: 1")
    assert load(tmp_path / "mine.yaml") == {"name": "mine", "rounds": 1}
    (tmp_path / "mine.yaml").write_text("rounds: 1\nname: other")
    assert load(tmp_path / "mine.yaml")["name"] == "other"


COMMANDS = [
    (["--help"], 0),
    (["list", "methods"], 0),
    (["list", "problems"], 0),
    (["list", "datasets"], 0),
    (["run", "wrong.yaml"], 2),
    (["run", "method.yaml"], 2),
    (["run", "nowhere.yaml"], 2),
    (["master", "wrong.yaml", "--bind", "tcp://127.0.0.1:*"], 2),
]


def test_no_torch_where_nothing_is_computed(tmp_path):
    (tmp_path / "wrong.yaml").write_text("rounds: x")
    (tmp_path / "method.yaml").write_text(
        "{rounds: 1, workers: 2, problem: quadratic, method: {name: ef21, init: no}}"
    )
    script = f"""
import sys
from psim.cli import main
for arguments, code in {COMMANDS!r}:
    sys.argv = ["psim", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert ended.code == code, (arguments, ended.code)
    heavy = {{"torch", "zmq", "numba", "scipy", "sklearn", "matplotlib", "polars"}}
    heavy &= set(sys.modules)
    assert not heavy, (arguments, heavy)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
        "wrong.yaml",
        "method.yaml",
        "nowhere.yaml",
        "wrong.yaml",
    ]
