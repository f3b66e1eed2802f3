"""Ranks that are computed together: the same run as rank by rank, to the bit."""

import json

import numpy as np
import pytest
from pieces import every, firsts, label
from processes import lasting, summary

from psim import hosts
from psim.config import parse
from psim.experiment import Opener, prepare
from psim.launch.single import run
from psim.nodes import table_host
from psim.problems import samples
from psim.sim import simulate
from psim.sim.simulate import TOGETHER_FROM

WORKERS, SIZE = 9, 40
OPENER = Opener()
BASE = {
    "rounds": 7,
    "workers": WORKERS,
    "transport": "inproc",
    "method": "ef21",
    "compressor": {"name": "topk", "k": 2},
    "step_size": 0.3,
    "metrics": {"every": 3},
    "compute": {"kind": "lognormal", "median": "1 ms", "sigma": 0.5, "factors": {2: 3.0}},
    "network": {
        "uplink": {"bandwidth": "1 Mbit/s", "jitter": {"kind": "exponential", "mean": "1 ms"}},
        "master": {"ingress": "3 Mbit/s"},
    },
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Sparse rows, of which some have entries of one sign only."""
    draws, lines = np.random.default_rng(0), []
    for number in range(100):
        places = np.sort(draws.choice(SIZE, 1 + number % 7, replace=False)) + 1
        values = draws.normal(size=len(places)) if number % 3 else np.ones(len(places))
        entries = " ".join(f"{p}:{v!r}" for p, v in zip(places, values.tolist(), strict=True))
        lines.append(f"{1 if draws.random() < 0.4 else -1} {entries}")
    path = tmp_path_factory.mktemp("data") / "rows.libsvm"
    path.write_text("\n".join(lines))
    return {"name": "logistic", "dataset": str(path), "dimension": SIZE}


@pytest.fixture
def carried(monkeypatch, dataset, tmp_path):
    """The folders of a run carried rank by rank, by a host that has tables and sends frames, and by
    one that sends tables; where it can't be carried so, it fails.
    """

    def each(**changes):
        document = {**BASE, "problem": {**dataset, "partition": "pool", "rows": 6}, **changes}
        config = parse(document)
        ways = [tmp_path / "alone", tmp_path / "frames", tmp_path / "together"]
        monkeypatch.setattr(simulate, "TOGETHER_FROM", WORKERS + 1)
        monkeypatch.setattr(table_host, "SHORT", 0)
        run(config, ways[0], opener=OPENER)
        monkeypatch.setattr(table_host, "SHORT", SIZE)
        monkeypatch.setattr(samples, "COMPILED_FROM", 1)
        monkeypatch.setattr(hosts, "WorkerHost", None)
        run(config, ways[1], opener=OPENER)
        monkeypatch.setattr(simulate, "TOGETHER_FROM", 1)
        monkeypatch.setattr(simulate, "_one_by_one", None)
        run(config, ways[2], opener=OPENER)
        return ways

    return each


SOME = {
    "method": {"name": "ef21_pp", "init": "zero"},
    "participation": {"kind": "sampled", "fraction": 0.4},
}
STRAGGLERS = {"kind": "constant", "seconds": "1 ms", "straggler": {"probability": 0.3, "factor": 9}}
LOSSY = {"uplink": {"bandwidth": "1 Mbit/s", "latency": "3 ms", "loss": 0.2}}
TRAITS = [
    {"method": {"name": "ef21", "init": "full", "downlink": "update"}},
    {"method": {"name": "ef21", "init": "zero"}, "wire": {"values": "float16"}},
    {"method": {"name": "ef", "feedback": "none"}, "compute": STRAGGLERS},
    {"method": "gd", "compressor": "identity", "network": LOSSY},
    {"method": "ef", "compressor": {"name": "topk", "k": SIZE}, "network": {"clock": "none"}},
    {"compressor": {"name": "topk", "k": 30}, "wire": {"indices": "coded"}},
    {"start": {"kind": "normal", "std": 1e200}},
    {"optimizer": {"name": "adam"}, "metrics": {"every": 2, "full": 4, "ranks": True}},
    {"method": {"name": "dcgd", "downlink": "update"}, "participation": SOME["participation"]},
    SOME,
    {**SOME, "metrics": {"every": 1, "full": 2}, "stop": {"bytes": 4000}},
]
PROBLEMS = [
    {"partition": "contiguous"},
    {"partition": "shuffled", "regularizer": "l2", "mu": 0.1},
    {"partition": "pool", "rows": 60, "regularizer": "none", "smoothness": "exact"},
    {"name": "least_squares", "partition": "pool", "rows": 2},
    {"dataset": "breast_cancer", "dimension": None},
]


def _same(alone, *others):
    for other in others:
        _alike(alone, other)


def _alike(alone, together):
    assert lasting(together) == lasting(alone)
    one, other = summary(alone), summary(together)
    for key in ("status", "stopped_by", "x_sha256", "bytes", "framed_per_worker", "start_bits"):
        assert other[key] == one[key], key
    assert other["participation"] == one["participation"]
    ranks = together / "ranks.jsonl"
    assert not ranks.exists() or ranks.read_bytes() == (alone / "ranks.jsonl").read_bytes()


def _possible(method):
    identity = method.name == "gd"
    compressor = {"name": "identity"} if identity else BASE["compressor"]
    problem = {"name": "quadratic", "dimension": 5}
    document = {**BASE, "problem": problem, "method": method.document(), "compressor": compressor}
    return table_host.possible(prepare(parse(document), OPENER).setup)


POSSIBLE = [piece for piece in firsts(every("methods")) if _possible(piece)]


@pytest.mark.parametrize("piece", POSSIBLE, ids=label)
def test_every_method_that_can_be_is_carried_alike(carried, piece):
    compressor = {"name": "identity"} if piece.name == "gd" else BASE["compressor"]
    _same(*carried(method=piece.document(), compressor=compressor))


def test_the_methods_that_very_many_workers_are_wanted_with_are_among_them():
    possible = {piece.name for piece in POSSIBLE}
    assert {"ef21", "ef21_pp", "ef", "gd", "dcgd", "sgd"} <= possible
    assert possible.isdisjoint({"ef21_plus", "ef21_sgdm", "def", "diana"}), "they have more state"


@pytest.mark.parametrize("changes", TRAITS, ids="-".join)
def test_what_a_config_changes_changes_both_alike(carried, changes):
    _same(*carried(**changes))


@pytest.mark.parametrize("changes", PROBLEMS, ids=str)
def test_problems_are_differentiated_alike(carried, dataset, changes):
    problem = {key: value for key, value in {**dataset, **changes}.items() if value is not None}
    _same(*carried(problem=problem))


@pytest.mark.parametrize(
    "changes",
    [
        {"problem": {"name": "logistic", "dataset": "breast_cancer", "batch": 4}},
        {"participation": {"kind": "quorum", "count": 3}, "method": "gd"},
        {"compressor": {"name": "randk", "k": 2}, "method": "dcgd"},
        {"method": {"name": "ef21", "downlink": "gather"}},
    ],
    ids=str,
)
def test_what_has_no_such_form_goes_rank_by_rank(changes):
    gd = {"compressor": "identity"} if changes.get("method") == "gd" else {}
    problem = {"name": "logistic", "dataset": "breast_cancer"}
    config = parse({**BASE, "problem": problem, **changes, **gd})
    assert not table_host.possible(prepare(config, OPENER).setup)


def test_measured_ranks_are_credited_with_what_a_few_take_alone(tmp_path, dataset):
    problem = {**dataset, "partition": "pool", "rows": 3}
    keys = {"workers": TOGETHER_FROM, "rounds": 2, "metrics": {"ranks": True}, "network": {}}
    document = {**BASE, **keys, "problem": problem, "compute": {"kind": "measured"}}
    run(parse(document), tmp_path / "run")
    lines = (tmp_path / "run" / "ranks.jsonl").read_text().splitlines()
    assert len(lines) == 3 * TOGETHER_FROM
    taken = [json.loads(line)["compute"] for line in lines[:TOGETHER_FROM]]
    assert min(taken) > 1e-6
    assert len(set(taken)) == 4
    assert taken == (taken[:4] * TOGETHER_FROM)[:TOGETHER_FROM]


def test_very_many_workers_leave_no_lists_and_no_constants(tmp_path, dataset):
    problem = {**dataset, "partition": "pool", "rows": 3}
    document = {**BASE, "workers": 1500, "rounds": 2, "problem": problem}
    run(parse(document), tmp_path / "number")
    found = summary(tmp_path / "number")
    assert found["framed_per_worker"] is None
    assert [found["theory"][key] for key in ("L", "L_i", "L_tilde")] == [None] * 3
    run(parse({**document, "step_size": {"rule": "theorem2"}}), tmp_path / "rule")
    theory = summary(tmp_path / "rule")["theory"]
    assert theory["L_i"] is None
    assert theory["L_tilde"] > 0


def test_state_is_kept_for_those_that_have_taken_part():
    from psim.methods.compress_rows import Kept
    from psim.tables import Table

    kept, one = Kept(1_000_000, 3), Table(3, "float64", np.ones((2, 1)), np.array([[0], [2]]))
    kept.add(np.array([7, 999_999]), one)
    kept.add(np.array([7, 8]), one)
    assert kept.of(np.array([6, 7, 8, 999_999])).tolist() == [
        [0, 0, 0],
        [2, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
    ]
    assert len(kept.rows) < 10
