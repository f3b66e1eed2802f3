"""psim as other processes: started, watched and ended by the tests.

Every command runs in a session of its own, so that whatever it starts can be found again: nothing
may outlive it.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import yaml

ROOT = Path(__file__).parents[1]
DEADLINE = 60.0
"""Seconds for anything that should take a few, on a machine that is busy."""

SMALL: dict[str, object] = {
    "name": "small",
    "rounds": 5,
    "workers": 4,
    "processes": 2,
    "problem": {"name": "logistic", "dataset": "breast_cancer"},
    "method": {"name": "ef21"},
    "compressor": {"name": "topk", "k": 2},
    "compute": {"kind": "constant", "seconds": 0.001},
    "network": {"uplink": {"bandwidth": "1 Mbit/s", "latency": "5 ms"}},
}
"""A run of milliseconds; its emulated time does not depend on the machine."""

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], what: str, deadline: float = DEADLINE) -> Found:
    """What ``look`` gives as soon as it gives something."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {deadline:g} s")


def write(path: Path, document: Mapping[str, object]) -> Path:
    """The document as a YAML file."""
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")
    return path


def rows(folder: Path) -> list[dict[str, object]]:
    """The rows of a run; every line is a whole one."""
    text = (folder / "rounds.jsonl").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def lasting(folder: Path) -> list[dict[str, object]]:
    """The parts of the rows that don't depend on the machine."""
    return [
        {key: value for key, value in row.items() if key not in ("wall", "diagnostic_s", "lag")}
        for row in rows(folder)
    ]


def summary(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return found


class Command:
    """A process of the test's own, and all that it starts."""

    def __init__(self, arguments: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        paths = [str(ROOT), environment.get("PYTHONPATH", "")]
        env = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._out = folder / f"out-{time.monotonic_ns()}.txt"
        self._err = self._out.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def ended(self, deadline: float = DEADLINE) -> int:
        """The exit code."""
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline:g} s: {self.err}") from None

    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """As a terminal does."""
        os.killpg(self.pid, number)

    def alone(self, deadline: float = DEADLINE) -> bool:
        """Everything that it started has ended."""
        until(
            lambda: not session(self.pid), f"processes left behind: {session(self.pid)}", deadline
        )
        return True

    def address(self) -> str:
        """Where this master waits for workers."""
        found = until(lambda: re.search(r"tcp://[0-9.:]+", self.err), "an address")
        return found[0]

    def end(self) -> None:
        """Whatever happened: nothing stays."""
        for pid in session(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()


def session(leader: int) -> list[int]:
    """The processes of a session, zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            state = _status(entry)
            if state is not None and state[0] not in "ZX" and int(state[3]) == leader:
                found.append(int(entry.name))
    return found


def children(leader: int) -> dict[int, str]:
    """The processes that a session's leader brought about, by what their command lines say."""
    found = {}
    for pid in session(leader):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if pid != leader:
            found[pid] = line
    return found


def _status(entry: Path) -> list[str] | None:
    """State, parent, group and session, from /proc/PID/stat."""
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def workers_of(leader: int) -> list[int]:
    """The worker processes of a run: forks of the warm parent, which its leader started."""
    parents = {pid: _status(Path(f"/proc/{pid}")) for pid in session(leader)}
    return [pid for pid, state in parents.items() if state and int(state[1]) in _warm(leader)]


def _warm(leader: int) -> list[int]:
    """The warm parents: what the leader, or a job of it, started with this command line."""
    kin = children(leader)
    forks = [pid for pid, line in kin.items() if "multiprocessing.forkserver" in line]
    states = {pid: _status(Path(f"/proc/{pid}")) for pid in forks}
    return [pid for pid, state in states.items() if state and int(state[1]) not in forks]
