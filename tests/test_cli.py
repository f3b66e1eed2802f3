"""The commands: what they print, what they write, and their exit codes."""

import re

import numpy as np
import pytest
from processes import SMALL, lasting, rows, summary, write

HERE = {**SMALL, "transport": "inproc"}


def test_a_run_says_what_it_came_to_and_where_it_is(command, config):
    code, out, err = command("run", config(transport="inproc"))
    assert (code, err) == (0, "")
    assert re.search(r"small\s+5\s", out)
    assert (
        "Rows, summary and resolved config are in runs/small-1. Try: psim plot runs/small-1" in out
    )
    assert command("run", "small.yaml", "--set", "transport=inproc")[0] == 0
    assert lasting_of("runs/small-1") == lasting_of("runs/small-2")
    assert (
        command("run", "small.yaml", "--set", "transport=inproc", "--out", "runs/small-2")[0] == 2
    )


def lasting_of(folder):
    from pathlib import Path

    return lasting(Path(folder))


def test_a_sweep_draws_a_figure(command, tmp_path):
    write(tmp_path / "s.yaml", {**HERE, "seeds": [0, 1]})
    code, out, _ = command("run", "s.yaml", "--out", "out")
    assert code == 0
    assert "seeds" in out
    assert "The figure is out/figure.png" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "figure.pdf",
        "figure.png",
        "index.jsonl",
        "seed=0",
        "seed=1",
    }
    assert command("run", "s.yaml", "--out", "out", "--overwrite")[0] == 0


def test_a_diverged_run_ends_with_0(command, tmp_path):
    write(tmp_path / "c.yaml", {**HERE, "rounds": 400, "step_size": 1e200})
    assert command("run", "c.yaml", "--out", "out")[0] == 0
    assert summary(tmp_path / "out")["status"] == "diverged"


def test_keys_are_set_from_the_shell(command, config, tmp_path):
    np.save(tmp_path / "x0.npy", np.full(30, 0.5))
    (tmp_path / "configs").mkdir()
    write(tmp_path / "configs" / "c.yaml", HERE)
    sets = ["rounds=2", "compressor.k=3", "start={kind: file, path: x0.npy}", "method.name=ef"]
    arguments = [word for each in sets for word in ("--set", each)]
    code, _, err = command("run", "configs/c.yaml", *arguments, "--out", "out")
    assert (code, err) == (0, "")
    assert [row["nnz"] for row in rows(tmp_path / "out")] == [None, 3, 3]
    text = (tmp_path / "out" / "config.yaml").read_text()
    assert f"path: {tmp_path}/x0.npy" in text
    write(tmp_path / "configs" / "d.yaml", {**HERE, "start": {"kind": "file", "path": "x0.npy"}})
    code, _, err = command("run", "configs/d.yaml", "--out", "out2")
    assert code == 2
    assert f"{tmp_path}/configs/x0.npy: no such file" in err


def _lines(*lines):
    return "".join(f"{line}\n" for line in lines)


DATA = {"name": "logistic", "dataset": "data.txt"}
GOOD = ["1 1:1 2:3", "-1 1:2", "1 2:1", "-1 1:1"]

WRONG = {
    "key": ({"roundz": 1}, "c.yaml: roundz: unknown key; did you mean rounds?"),
    "type": ({"rounds": "x"}, "c.yaml: rounds: 'x': Input should be a valid integer"),
    "unit": ({"deadlines": {"join": "5 km"}}, "c.yaml: deadlines.join: '5 km' has no unit of a"),
    "range": ({"workers": 0}, "c.yaml: workers: 0: Input should be greater than or equal to 1"),
    "k > d": (
        {"compressor": {"name": "topk", "k": 31}},
        "compressor.k: 31 exceeds the vector's size",
    ),
    "n > N": (
        {"workers": 570, "processes": 1},
        "570 workers cannot share 569 samples: use workers",
    ),
    "data": (
        {"problem": DATA},
        "data.txt: no such file, and 'data.txt' is no data set; did you mean",
    ),
    "known data": ({"problem": {**DATA, "dataset": "a9a"}}, "`psim data get a9a` fetches it"),
    "line": ({"problem": DATA}, "data.txt, line 3: '3;4' is no index:value", [*GOOD[:2], "1 3;4"]),
    "index": (
        {"problem": DATA},
        "data.txt, line 2: an index is 0: indices start at 1",
        ["1", "1 0:1"],
    ),
    "label": (
        {"problem": DATA},
        "data.txt, line 1: the label 'spam' is no finite number",
        ["spam 1:1"],
    ),
    "one class": ({"problem": DATA}, "has 1 classes (1), and psim needs two", ["1 1:1"] * 4),
    "three": ({"problem": DATA}, "has 3 classes (0, 1, 2), and psim needs two", ["0", "1", "2"]),
    "few": ({"problem": DATA, "workers": 5}, "5 workers cannot share 4 samples", GOOD),
    "theorem": (
        {"compressor": {"name": "randk", "k": 1, "scale": "unbiased"}},
        "step_size.rule: 'theorem2' needs a contraction factor",
    ),
    "start": (
        {"start": {"kind": "file", "path": "x.npy"}},
        "x.npy: no such file: give the path of a",
    ),
}


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_leaves_nothing(
    command, tmp_path, monkeypatch, transport, case
):
    monkeypatch.delenv("PSIM_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    changes, wrong, *data = WRONG[case]
    for lines in data:
        (tmp_path / "data.txt").write_text(_lines(*lines))
    write(tmp_path / "c.yaml", {**SMALL, "transport": transport, **changes})
    code, out, err = command("run", "c.yaml")
    assert (code, out) == (2, "")
    assert wrong in err
    assert err.startswith("psim: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["run"], "Missing argument 'CONFIG'"),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file: give the path of a config file"),
        (["run", "."], ".: cannot be read"),
        (["run", "small.yaml", "--set", "rounds"], "--set 'rounds': write --set key=value"),
        (["run", "small.yaml", "--set", "rounds=[1"], "--set rounds: line 1, column 3: not YAML"),
        (["run", "small.yaml", "--set", "roundz=1"], "small.yaml: roundz: unknown key"),
        (
            ["run", "small.yaml", "--set", "method=ef22"],
            "method: unknown name 'ef22'; did you mean",
        ),
        (["run", "small.yaml", "--jobs", "0"], "Invalid value for '--jobs'"),
        (
            ["run", "small.yaml", "--out", "small.yaml"],
            "--out small.yaml: is a file: give the path",
        ),
        (["run", "small.yaml", "--out", "small.yaml/a/b"], "is a file: give the path of a folder"),
        (["run", "small.yaml", "--out", "."], "--out .: is not empty: give another folder, or"),
        (
            ["run", "small.yaml", "--out", ".", "--overwrite"],
            "is no run folder, so --overwrite leaves",
        ),
        (["master", "small.yaml"], "Missing option '--bind'"),
        (
            ["master", "small.yaml", "--bind", "ipc:///tmp/x"],
            "--bind ipc:///tmp/x: is no TCP address",
        ),
        (
            ["master", "small.yaml", "--bind", "tcp://127.0.0.1"],
            "--bind tcp://127.0.0.1: cannot be",
        ),
        (
            ["master", "small.yaml", "--bind", "tcp://127.0.0.1:*", "--set", "seeds=[0, 1]"],
            "asks for 2 runs and a master serves one: use psim run, or leave out sweep, variants",
        ),
        (
            ["master", "small.yaml", "--bind", "tcp://127.0.0.1:*", "--set", "transport=inproc"],
            "transport: 'inproc': a master that workers connect to needs tcp",
        ),
        (["worker"], "Missing option '--connect'"),
        (["worker", "--connect", "here"], "--connect here: is no TCP address: write it like"),
        (["worker", "--connect", "tcp://1:1", "--count", "0"], "Invalid value for '--count'"),
        (["worker", "--connect", "tcp://1:1", "--device", "cuda:0"], "use --device cpu"),
        (["breakeven", "small.yaml", "--device", "cuda:77"], "use --device cpu"),
        (["worker", "--connect", "tcp://1:1", "--join", "soon"], "--join 'soon' is not a duration"),
        (["list", "things"], "Invalid value for"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["--frobnicate"], "No such option"),
        (["show", "nowhere"], "nowhere: no such folder: give the folder of a run"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_one_line(command, config, arguments, wrong):
    config()
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert wrong in err
    assert err.startswith("psim: ")
    assert err.count("\n") == 1


def test_a_worker_without_a_master(command):
    code, _, err = command("worker", "--connect", "tcp://127.0.0.1:1", "--join", "200 ms")
    assert code == 1
    assert err == "psim: no master answered at tcp://127.0.0.1:1 for 0.2 s: is it there?\n"


def test_workers_that_never_come(command, config):
    path = config(deadlines={"join": "200 ms"})
    code, _, err = command("master", path, "--bind", "tcp://127.0.0.1:*", "--out", "out")
    assert code == 1
    first, last = err.splitlines()
    assert re.fullmatch(r"waiting for 4 workers at tcp://127\.0\.0\.1:\d+", first)
    assert last.startswith(
        "psim: 0 of 4 workers came within 0.2 s: start the others with psim worker"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"]], ids=" ".join)
def test_help(command, arguments):
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: ")
    assert out.count("\n") > 5


def test_no_command_shows_help(command):
    code, _, err = command()
    assert code == 2
    assert err.startswith("Usage: ")
    assert err.count("\n") > 5


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("methods", "dcgd ef ef21 ef21_plus gd"),
        ("compressors", "identity randk topk"),
        ("problems", "least_squares logistic quadratic"),
        ("datasets", "a9a breast_cancer digits"),
    ],
)
def test_lists(command, what, names):
    code, out, _ = command("list", what)
    assert code == 0
    listed = {line.split()[0] for line in out.splitlines() if not line.startswith(" ")}
    assert set(names.split()) <= listed


def test_show_and_plot_and_theory(command, config):
    path = config(transport="inproc")
    assert command("run", path, "--out", "out")[0] == 0
    assert "small" in command("show", "out")[1]
    assert command("show", "out", "--csv")[1].count("\n") >= 2
    assert command("plot", "out", "--out", "f.png")[:2] == (0, "f.png\n")
    code, out, _ = command("theory", path)
    assert code == 0
    assert "step" in out


def test_where_the_time_went(command, config, tmp_path):
    path = config(transport="inproc", metrics={"ranks": True})
    assert command("run", path, "--out", "out")[0] == 0
    code, out, _ = command("show", "out")
    assert code == 0
    assert re.search(r"computing +1\.00 ms +\d+\.\d % +1\.00 ms", out)
    assert "uplink latency" in out
    assert command("plot", "out", "--timeline")[:2] == (0, "out/timeline.png\nout/timeline.pdf\n")
    assert command("plot", "out", "--timeline", "--rounds", "3-4", "--out", "t.pdf")[0] == 0
    assert (tmp_path / "t.pdf").read_bytes().startswith(b"%PDF")
    for arguments, wrong in {
        ("--rounds", "3"): "--rounds goes with --timeline: add it",
        ("--timeline", "--x", "wall"): "leave out --x, --y",
        ("--timeline", "--rounds", "x"): "write 3, or 3-6",
        ("--timeline", "--rounds", "50"): "has none of these rounds: its last is 5",
    }.items():
        code, _, err = command("plot", "out", *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert wrong in err
    assert "it shows one run" in command("plot", "out", "out2", "--timeline")[2]


def test_panels(command, config, tmp_path):
    path = config(transport="inproc", sweep={"compressor.k": [1, 2]})
    assert command("run", path, "--out", "out")[0] == 0
    assert command("plot", "out", "--panels", "compressor.k,", "--out", "p.png")[:2] == (
        0,
        "p.png\n",
    )
    for arguments, wrong in {
        ("--panels", "k"): "write ROWS,COLUMNS, like compressor.k,variant",
        ("--panels", ",variant", "--x", "time", "--x", "wall"): "goes with one --x",
        ("--mark", "nnz"): "--mark goes with --panels: add it",
        ("--timeline", "--panels", ",variant"): "leave out --x, --y and --panels",
    }.items():
        code, _, err = command("plot", "out", *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert wrong in err


def test_tune(command, config, tmp_path):
    path = config(transport="inproc", variants=[{"name": "A"}, {"name": "B", "method.name": "ef"}])
    over = ("--over", "step_size.multiple=1,4,16")
    code, out, _ = command("tune", path, *over, "--at", "rounds=4", "--out", "out")
    assert code == 0
    assert re.search(r"^A +(1|4|16) +\d\.\d\de-\d+ +3 +0$", out, re.MULTILINE)
    assert "psim run out/best-B.yaml" in out
    assert (tmp_path / "out" / "tuning.png").stat().st_size > 0
    assert command("run", "out/best-B.yaml", "--out", "again")[0] == 0
    assert rows(tmp_path / "again")[-1]["round"] == 4
    assert command("tune", path, *over, "--at", "rounds=3", "--out", "out")[0] == 2
    assert command("tune", path, *over, "--at", "rounds=3", "--out", "out", "--overwrite")[0] == 0
    for arguments in (("--at", "rounds=x", *over), ("--at", "rounds=3", "--over", "speed=1,2")):
        code, _, err = command("tune", path, *arguments, "--out", "none")
        assert (code, err.count("\n")) == (2, 1)
        assert not (tmp_path / "none").exists()


def test_without_emulated_time_there_is_no_breakdown(command, config):
    path = config(transport="inproc", network={"clock": "none"}, compute={"kind": "measured"})
    assert command("run", path, "--out", "out")[0] == 0
    code, out, _ = command("show", "out")
    assert (code, "computing" in out) == (0, False)


def test_a_machine_that_was_too_slow_is_warned_of(command, config):
    fast = {"clock": "real", "uplink": {"latency": "1 us"}, "downlink": {"latency": "1 us"}}
    code, _, err = command("run", config(network=fast, compute={"kind": "constant", "seconds": 0}))
    assert code == 0
    assert re.fullmatch(r"warning: this machine was too slow for the network asked for: .*\n", err)
