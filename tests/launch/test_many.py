"""Sweeps, variants and seeds: one after another, and several at once."""

import json

import pytest
from processes import SMALL, lasting, rows, summary

from psim.errors import ConfigError, DataError, InputError, PsimError
from psim.launch import single
from psim.launch.many import run_plan
from psim.plan import expand

HERE = {**SMALL, "transport": "inproc"}
UPDATE = {"method.downlink": "update"}
UNBIASED = {"name": "randk", "k": 1, "scale": "unbiased"}
SEVERAL = {
    **HERE,
    "name": "several",
    "variants": [
        {"name": "EF21"},
        {"name": "GD (plain)", "method": "gd", "compressor": "identity"},
    ],
    "seeds": [0, 1],
    "compressor": {"name": "randk", "k": 2},
}


def index(folder):
    return [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return run_plan(expand(SEVERAL), tmp_path_factory.mktemp("several") / "out")


def test_each_run_has_its_folder_and_a_line_in_the_index(several):
    assert [line["folder"] for line in index(several)] == [
        "EF21_seed=0",
        "EF21_seed=1",
        "GD_plain_seed=0",
        "GD_plain_seed=1",
    ]
    assert [line["label"] for line in index(several)][-1] == "GD (plain) seed=1"
    assert [line["variant"] for line in index(several)] == ["EF21"] * 2 + ["GD (plain)"] * 2
    assert [line["seed"] for line in index(several)] == [0, 1, 0, 1]
    assert index(several)[-1]["varies"] == {"method": "gd", "compressor": "identity", "seed": 1}
    assert {line["status"] for line in index(several)} == {"done"}
    for line in index(several):
        assert summary(several / line["folder"])["status"] == "done"
    digests = [summary(several / line["folder"])["x_sha256"] for line in index(several)]
    assert digests[0] != digests[1]
    assert digests[2] == digests[3]  # gradient descent has no random choice


@pytest.mark.slow
def test_several_at_once_give_the_same_bits(several, tmp_path):
    again = run_plan(expand(SEVERAL), tmp_path / "again", at_once=2)
    key = "folder"
    assert sorted(line[key] for line in index(again)) == [line[key] for line in index(several)]
    for line in index(several):
        one, two = several / line[key], again / line[key]
        assert lasting(one) == lasting(two)
        assert summary(one)["x_sha256"] == summary(two)["x_sha256"]


@pytest.mark.parametrize("at_once", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_diverges_is_a_result(tmp_path, at_once):
    document = {**HERE, "rounds": 400, "sweep": {"step_size": [1e200, 0.1]}}
    folder = run_plan(expand(document), tmp_path / "out", at_once=at_once)
    found = {line["label"]: line["status"] for line in index(folder)}
    assert found == {"step_size=1e+200": "diverged", "step_size=0.1": "done"}
    diverged = folder / "step_size=1e+200"
    assert summary(diverged)["status"] == "diverged"
    last = rows(diverged)[-1]
    assert last["round"] < 400
    assert last["loss"] is None or last["grad_norm_sq"] is None
    assert summary(diverged)["final"] == last


@pytest.mark.parametrize("at_once", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_fails_does_not_stop_the_others(tmp_path, monkeypatch, at_once):
    (tmp_path / "failing_problem.py").write_text(
        "from psim.problems.quadratic import Quadratic\n"
        "from psim.errors import WireError\n"
        "class Failing(Quadratic):\n"
        "    def shares(self, arrays, workers, seed):\n"
        "        shares = super().shares(arrays, workers, seed)\n"
        "        if seed == 1:\n"
        "            def share(rank, own=shares.share): raise WireError('broken on purpose')\n"
        "            shares.pooled, shares.mean = shares.pooled, shares.mean\n"
        "            object.__setattr__(shares, 'share', share)\n"
        "        return shares\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    problem = {"name": "failing_problem:Failing", "dimension": 5}
    document = {**HERE, "problem": problem, "seeds": [1, 0], "step_size": 0.1}
    plan = expand(document)
    # the first run's constants need its shares: let the good one be first there
    plan = type(plan)(plan.name, plan.runs[::-1] + plan.runs[:1], plan.single)
    with pytest.raises(PsimError, match="broken on purpose") as error:
        run_plan(plan, tmp_path / "out", at_once=at_once)
    assert error.value.exit_code == 1
    found = sorted((line["label"], line["status"]) for line in index(tmp_path / "out"))
    assert found == [("seed=0", "done"), ("seed=1", "failed"), ("seed=1", "failed")]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"sweep": {"compressor.k": [1, 31]}}, "31 exceeds the vector's size 30: use k <= 30"),
        ({"sweep": {"workers": [4, 570]}, "processes": 1}, "570 workers cannot share 569 samples"),
        ({"sweep": {"problem.dataset": ["digits", "/nowhere/x"]}}, "/nowhere/x: no such file"),
        (
            {"variants": [{"name": "A"}, {"name": "B", "wire.model": "float16", **UPDATE}]},
            "wire.model: 'float16' rounds a model that does not travel",
        ),
        (
            {"sweep": {"start": [{"kind": "zeros"}, {"kind": "file", "path": "/nowhere/x.npy"}]}},
            "start.path: /nowhere/x.npy: no such file",
        ),
        (
            {"sweep": {"compressor": [{"name": "topk", "k": 1}, UNBIASED]}},
            "'theorem2' needs a contraction factor",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_with_any_run_is_found_before_the_first_begins(tmp_path, changes, wrong):
    with pytest.raises(InputError) as error:
        run_plan(expand({**HERE, **changes}), tmp_path / "out")
    assert wrong in str(error.value)
    assert not (tmp_path / "out").exists()


def test_runs_are_named_and_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = expand(HERE)
    assert [str(run_plan(plan)) for _ in range(2)] == ["runs/small-1", "runs/small-2"]
    assert str(run_plan(expand({**HERE, "seeds": [0]}))) == "runs/small-3"
    with pytest.raises(DataError):
        run_plan(expand({**HERE, "problem": {"name": "logistic", "dataset": "nowhere.txt"}}))
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "small-1",
        "small-2",
        "small-3",
    ]


def test_a_sweep_over_an_old_one(tmp_path):
    out = tmp_path / "out"
    run_plan(expand({**HERE, "sweep": {"compressor.k": [1, 2]}}), out)
    (out / "k=2" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        run_plan(expand(HERE), out)
    run_plan(expand({**HERE, "sweep": {"compressor.k": [2, 3]}}), out, overwrite=True)
    assert [line["folder"] for line in index(out)] == ["k=2-2", "k=3"]
    assert (out / "k=2" / "notes.txt").read_text() == "mine"
    assert not (out / "k=1").exists()
    run_plan(expand(HERE), out, overwrite=True)
    assert not (out / "index.jsonl").exists()
    assert (out / "rounds.jsonl").exists()


def test_folder_names_that_would_be_the_same(tmp_path):
    variants = [{"name": "a/b"}, {"name": "a:b"}, {"name": "A b"}, {"name": "..."}, {"name": "é"}]
    folder = run_plan(expand({**HERE, "rounds": 1, "variants": variants}), tmp_path / "out")
    names = [line["folder"] for line in index(folder)]
    assert names == ["a_b", "a_b-2", "A_b-3", "run", "é"]
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(names)


def test_input_errors_leave_nothing(tmp_path):
    for changes in ({"compressor": {"name": "topk", "k": 31}}, {"workers": 570, "processes": 1}):
        for transport in ("tcp", "inproc"):
            with pytest.raises(InputError):
                run_plan(expand({**SMALL, **changes, "transport": transport}), tmp_path / "out")
            assert not (tmp_path / "out").exists()


def test_the_folder_of_one_run(tmp_path):
    run_plan(expand(HERE), tmp_path / "out")
    with pytest.raises(ConfigError, match="is not empty: give another folder, or --overwrite"):
        run_plan(expand(HERE), tmp_path / "out")
    before = (tmp_path / "out" / "x.npy").read_bytes()
    run_plan(expand({**HERE, "rounds": 2}), tmp_path / "out", overwrite=True)
    assert len(rows(tmp_path / "out")) == 3
    assert (tmp_path / "out" / "x.npy").read_bytes() != before


def test_a_master_serves_one_transport_only(tmp_path):
    config = expand(HERE).runs[0].config
    with pytest.raises(
        ConfigError, match=r"^transport: 'inproc': a master that workers connect to"
    ):
        single.serve(config, tmp_path / "out", "tcp://127.0.0.1:*")
