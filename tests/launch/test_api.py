"""``psim.run`` and ``psim.load``: from here, from scripts, and from an interactive session."""

import json
import subprocess
import sys

import polars as pl
import pytest
from processes import ROOT, SMALL, summary, write

import psim
from psim.errors import ConfigError, DataError

HERE = {**SMALL, "transport": "inproc"}


def test_only_what_is_documented_is_there():
    assert psim.__all__ == ["TorchProblem", "load", "run"]
    with pytest.raises(AttributeError, match="module 'psim' has no attribute 'runs'"):
        _ = psim.runs


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_a_mapping_is_run_and_its_results_are_a_frame(tmp_path, transport):
    results = psim.run({**SMALL, "transport": transport}, out=tmp_path / "out")
    assert isinstance(results.rows, pl.DataFrame)
    assert results.rows["round"].to_list() == [0, 1, 2, 3, 4, 5]
    again = psim.load(tmp_path / "out")
    assert again.rows.equals(results.rows)


def test_a_file_is_run_with_its_own_relative_paths(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    lines = [f"{sign} 1:{row} 2:1\n" for row, sign in enumerate((1, -1) * 4)]
    (tmp_path / "configs" / "data.txt").write_text("".join(lines))
    problem = {"name": "logistic", "dataset": "data.txt"}
    path = write(tmp_path / "configs" / "c.yaml", {**HERE, "problem": problem})
    monkeypatch.chdir(tmp_path)
    psim.run("configs/c.yaml")
    psim.run(path)
    assert summary(tmp_path / "runs" / "small-2")["size"] == 2
    with pytest.raises(DataError, match=r"data.txt: no such file"):
        psim.run({**HERE, "problem": problem})


def test_a_sweep_and_its_jobs(tmp_path):
    results = psim.run({**HERE, "seeds": [0, 1]}, out=str(tmp_path / "out"), jobs=2)
    assert set(results.rows["seed"].to_list()) == {0, 1}
    with pytest.raises(ConfigError, match="is not empty"):
        psim.run(HERE, out=tmp_path / "out")
    psim.run(HERE, out=tmp_path / "out", overwrite=True)


def test_wrong_input_is_an_error_of_its_kind(tmp_path):
    for config in ({}, {**HERE, "roundz": 3}, tmp_path / "nowhere.yaml"):
        with pytest.raises(ConfigError):
            psim.run(config, out=tmp_path / "out")
    assert issubclass(ConfigError, ValueError)
    assert not (tmp_path / "out").exists()


BODY = f"""import json, psim
def go():
    results = psim.run(json.loads({json.dumps(SMALL)!r}), out="out")
    print(results.rows["round"].to_list())
"""


def _python(tmp_path, *arguments, text=""):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
def test_a_guarded_script(tmp_path):
    (tmp_path / "script.py").write_text(BODY + 'if __name__ == "__main__":\n    go()\n')
    done = _python(tmp_path, "script.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[0, 1, 2, 3, 4, 5]\n"


@pytest.mark.slow
def test_a_script_from_standard_input(tmp_path):
    """As in an interactive session: there is no file that worker processes could import."""
    done = _python(tmp_path, "-", text=BODY + "go()\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert summary(tmp_path / "out")["audit"]["difference"] == 0


@pytest.mark.slow
def test_a_script_without_a_guard_says_what_is_missing(tmp_path):
    (tmp_path / "script.py").write_text(BODY + "go()\n")
    done = _python(tmp_path, "script.py")
    assert done.returncode == 1
    assert 'put the call under if __name__ == "__main__":' in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["model", "dataset", "loss"])
def test_what_a_problem_from_python_brings_is_not_named_as_well(tmp_path, key):
    from torch import nn, zeros
    from torch.utils.data import TensorDataset

    brought = psim.TorchProblem(nn.Linear(2, 2), TensorDataset(zeros(8, 2), zeros(8).long()))
    with pytest.raises(ConfigError, match=f"problem.{key}: 'mlp', and the problem that was passed"):
        psim.run({**HERE, "problem": {key: "mlp"}}, problem=brought, out=tmp_path / "out")
