"""However a run ends: within seconds, with a whole folder, a named cause, and no process left."""

import json
import os
import signal
import time

import pytest
from processes import SMALL, lasting, rows, session, summary, until, workers_of, write

pytestmark = pytest.mark.slow

SECONDS = 10.0
"""For an end; on a machine that is busy."""

FAILING = """
from psim.problems.quadratic import Quadratic

class Share:
    def __init__(self, inner): self.inner, self.calls = inner, 0
    def __getattr__(self, name): return getattr(self.inner, name)
    def gradient(self, x, batch=None):
        self.calls += 1
        if self.calls > 20: raise RuntimeError("the gradient is on strike")
        return self.inner.gradient(x)

class Shares:
    def __init__(self, inner): self.inner = inner
    def __getattr__(self, name): return getattr(self.inner, name)
    def share(self, rank):
        share = self.inner.share(rank)
        return Share(share) if rank == 2 else share

class Failing(Quadratic):
    def shares(self, arrays, workers, seed): return Shares(super().shares(arrays, workers, seed))
"""


@pytest.fixture
def running(psim, config, tmp_path):
    """A run that goes on until it is stopped, past its first rows."""
    path = config(rounds=2**31 - 1, metrics={"every": 200})
    command = psim("run", path, "--out", "run")
    log = tmp_path / "run" / "rounds.jsonl"
    until(
        lambda: (log.exists() and log.read_text().count("\n") > 2) or not command.running(), "rows"
    )
    assert command.running(), command.err
    return command


def _folder_is_whole(folder, status, every=200):
    found = summary(folder)
    assert found["status"] == status
    written = rows(folder)
    assert [row["round"] for row in written] == [every * i for i in range(len(written))]
    assert found["final"] == written[-1]
    assert (folder / "config.yaml").stat().st_size
    assert status in (folder / "log.txt").read_text()
    return found


def test_ctrl_c(running, tmp_path):
    running.signal_group(signal.SIGINT)
    assert running.ended(SECONDS) == 130
    assert running.alone(SECONDS)
    assert running.err.strip() == "psim: interrupted by SIGINT"
    found = _folder_is_whole(tmp_path / "run", "interrupted")
    assert found["reason"] == "SIGINT"
    assert found["audit"] is None


def test_ctrl_c_again_and_again(running, tmp_path):
    for _ in range(20):
        if running.running():
            running.signal_group(signal.SIGINT)
        time.sleep(0.005)
    assert running.ended(SECONDS) == 130
    assert running.alone(SECONDS)
    assert "Traceback" not in running.err
    _folder_is_whole(tmp_path / "run", "interrupted")


def test_sigterm_to_the_master(running, tmp_path):
    running.signal(signal.SIGTERM)
    assert running.ended(SECONDS) == 130
    assert running.alone(SECONDS)
    assert running.err.strip() == "psim: interrupted by SIGTERM"
    _folder_is_whole(tmp_path / "run", "interrupted")


def test_sigkill_of_a_worker(running, tmp_path):
    workers = workers_of(running.pid)
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    assert running.ended(SECONDS) == 1
    assert running.alone(SECONDS)
    cause = f"worker process {workers[1]} was ended by signal 9 (SIGKILL)"
    assert running.err == f"psim: {cause}\n"
    assert _folder_is_whole(tmp_path / "run", "failed")["reason"] == cause


def test_sigkill_of_the_master(running, tmp_path):
    running.signal(signal.SIGKILL)
    assert running.ended(SECONDS) == -signal.SIGKILL
    assert running.alone(SECONDS)
    assert "Traceback" not in running.err
    written = rows(tmp_path / "run")
    assert [row["round"] for row in written] == [200 * i for i in range(len(written))]
    assert (tmp_path / "run" / "config.yaml").exists()


def test_an_exception_in_a_workers_gradient(psim, config, tmp_path):
    (tmp_path / "striking.py").write_text(FAILING)
    path = config(problem={"name": "striking:Failing", "dimension": 5}, rounds=100)
    command = psim("run", path, "--out", "run")
    assert command.ended() == 1
    assert command.alone(SECONDS)
    last = command.err.splitlines()[-1]
    assert last.startswith("psim: worker ranks 2-3 on ")
    assert last.endswith("RuntimeError: the gradient is on strike")
    _folder_is_whole(tmp_path / "run", "failed", every=1)


def test_a_worker_that_falls_silent(psim, config, tmp_path):
    command = psim("run", config(rounds=2**31 - 1, deadlines={"silence": "1 s"}), "--out", "run")
    log = tmp_path / "run" / "rounds.jsonl"
    until(lambda: log.exists() and log.stat().st_size, "a row")
    silent = until(lambda: workers_of(command.pid), "workers")[0]
    os.kill(silent, signal.SIGSTOP)
    assert command.ended(3 * SECONDS) == 1
    assert command.alone(SECONDS)
    assert "nothing came from ranks [" in command.err
    assert "for 1 s: raise deadlines.silence if they need longer" in command.err
    _folder_is_whole(tmp_path / "run", "failed", every=1)


@pytest.mark.parametrize("moment", ["loading", "warming"])
def test_ctrl_c_before_the_run_began(psim, config, moment):
    """While torch is imported, or the warm parent and the workers start."""
    command = psim("run", config(), "--out", "run")
    if moment == "warming":
        until(lambda: len(session(command.pid)) > 1, "the warm parent")
    else:
        time.sleep(0.3)
    command.signal_group(signal.SIGINT)
    assert command.ended(SECONDS) in (0, 130)  # 0: it was faster
    assert command.alone(SECONDS)
    assert "Traceback" not in command.err or moment == "loading"


SWEEP = {"sweep": {"compressor.k": [1, 2]}, "variants": [{"name": "A"}, {"name": "B"}]}


def test_ctrl_c_in_the_middle_of_two_jobs(psim, tmp_path):
    document = {**SMALL, **SWEEP, "rounds": 2**31 - 1, "metrics": {"every": 100}}
    command = psim("run", write(tmp_path / "c.yaml", document), "--jobs", 2, "--out", "runs")
    logs = [tmp_path / "runs" / f"A_k={k}" / "rounds.jsonl" for k in (1, 2)]
    until(lambda: all(log.exists() and log.stat().st_size for log in logs), "two runs at once")
    command.signal_group(signal.SIGINT)
    assert command.ended(2 * SECONDS) == 130
    assert command.alone(SECONDS)
    assert command.err.strip() == "psim: interrupted by SIGINT"
    for log in logs:
        _folder_is_whole(log.parent, "interrupted", every=100)
    lines = (tmp_path / "runs" / "index.jsonl").read_text().splitlines()
    index = [json.loads(line) for line in lines]
    assert sorted(line["label"] for line in index) == ["A k=1", "A k=2"]
    assert {line["status"] for line in index} == {"interrupted"}
    assert sorted(path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()) == [
        "A_k=1",
        "A_k=2",
    ]


def test_sigterm_in_the_middle_of_two_jobs(psim, tmp_path):
    document = {**SMALL, **SWEEP, "rounds": 2**31 - 1, "metrics": {"every": 100}}
    command = psim("run", write(tmp_path / "c.yaml", document), "--jobs", 2, "--out", "runs")
    log = tmp_path / "runs" / "A_k=1" / "rounds.jsonl"
    until(lambda: log.exists() and log.stat().st_size, "a run")
    command.signal(signal.SIGTERM)
    assert command.ended(2 * SECONDS) == 130
    assert command.alone(SECONDS)
    _folder_is_whole(log.parent, "interrupted", every=100)


def test_a_run_in_process_is_interrupted_too(psim, config, tmp_path):
    path = config(transport="inproc", rounds=2**31 - 1, metrics={"every": 200})
    command = psim("run", path, "--out", "run")
    log = tmp_path / "run" / "rounds.jsonl"
    until(lambda: log.exists() and log.stat().st_size, "rows")
    command.signal_group(signal.SIGINT)
    assert command.ended(SECONDS) == 130
    assert command.alone(SECONDS)
    _folder_is_whole(tmp_path / "run", "interrupted")
    assert lasting(tmp_path / "run")
