"""Containers that are ended in the middle of a run."""

import subprocess

import pytest
from containers import Project, inspect, missing
from processes import rows, summary, until, write

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

LONG = {
    "name": "long",
    "rounds": 2**31 - 1,
    "workers": 4,
    "problem": {"name": "logistic", "dataset": "breast_cancer"},
    "method": {"name": "ef21"},
    "compressor": {"name": "topk", "k": 1},
    "metrics": {"every": 100},
    "deadlines": {"join": "5 min"},
}
"""A run that goes on until it is ended."""


@pytest.fixture
def running(project: Project):
    """The ids of containers in the middle of a run that has begun, and its folder."""
    write(project.folder / "long.yaml", LONG)
    number = 1 + len(list((project.folder / "runs").glob("long-*")))
    started = project.compose("up", "-d", PSIM_CONFIG="long.yaml")
    assert started.returncode == 0, started.stdout
    folder = project.folder / "runs" / f"long-{number}"
    try:
        until((folder / "rounds.jsonl").exists, "a run", 300)
        until(lambda: (folder / "rounds.jsonl").read_text().count("\n") > 2, "rows", 300)
        yield project.containers(), folder
    finally:
        project.down()


def test_each_process_says_how_it_is(project, running):
    """And a worker that is killed ends the run: one error, which names its container."""
    found, folder = running
    said = {name: health(found[name], name) for name in found}
    assert said["master_1"].startswith("round ")
    workers = [said[f"worker_{number}"] for number in (1, 2, 3, 4)]
    assert sorted(workers) == [f"taking part as rank {rank} of 4" for rank in range(4)]
    victim = found["worker_3"]
    rank = said["worker_3"].split()[4]
    subprocess.run(["docker", "kill", victim], capture_output=True, check=True)
    codes = project.ended(timeout=90)
    assert codes == {"master_1": 1, "worker_3": 137} | {f"worker_{n}": 1 for n in (1, 2, 4)}
    error = f"worker rank {rank} on {victim[:12]}"
    assert f"psim: {error}" in project.logs(found["master_1"])
    for number in (1, 2, 4):
        said = project.logs(found[f"worker_{number}"])
        assert f"psim: the run failed: {error}" in said
        assert "Traceback" not in said
    assert summary(folder)["status"] == "failed"
    assert summary(folder)["reason"].startswith(error)


def test_a_stop_leaves_a_complete_folder(project, running):
    found, folder = running
    stopped = project.compose("stop")
    assert stopped.returncode == 0, stopped.stdout
    codes = project.ended()
    assert codes.pop("master_1") == 130
    # The master is stopped first, and tells them; some may be stopped before they have ended.
    assert set(codes.values()) <= {1, 130}
    for container in found.values():
        assert "Traceback" not in project.logs(container)
    ended = summary(folder)
    assert (ended["status"], ended["reason"]) == ("interrupted", "SIGTERM")
    written = rows(folder)
    assert [row["round"] for row in written] == [100 * i for i in range(len(written))]
    assert ended["final"] == written[-1]


def health(container: str, name: str) -> str:
    """What the container's own health check says, run as the engine runs it."""
    (command,) = inspect('{{join .Config.Healthcheck.Test " "}}', container)
    kind, *line = command.split()
    assert kind == "CMD"
    done = subprocess.run(
        ["docker", "exec", container, *line], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (name, done.stderr)
    return done.stdout.strip()
