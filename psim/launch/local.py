"""Worker processes on this machine, forked from a warm parent.

They have process ids and TCP connections of their own. The parent imports torch once; a fork of it
costs milliseconds and shares its memory.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

from psim.errors import PeerError, PsimError

GRACE = 3.0
"""Seconds that worker processes have to end by themselves before they are ended."""


def context() -> ForkServerContext:
    """The warm parent's context; the parent starts with the first process."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["psim.launch.warm"])
    return made


def host(address: str, count: int) -> None:
    """A local worker process's whole life. The master reports errors, which it is told."""
    from psim.runtime.work import work

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the master
    try:
        work(address, count)
    except PsimError as error:
        sys.exit(error.exit_code)


class LocalWorkers:
    """The processes that host all ranks of a run."""

    def __init__(self, address: str, counts: list[int]) -> None:
        made = context()
        self.processes: list[BaseProcess] = [
            made.Process(target=host, args=(address, count), name=f"psim-worker-{i}")
            for i, count in enumerate(counts)
        ]
        for process in self.processes:
            process.start()

    def watch(self) -> None:
        """Raise PeerError where a process has ended that should not have."""
        for process in self.processes:
            if process.exitcode not in (None, 0):
                raise PeerError(f"worker process {process.pid} {_ended(process.exitcode)}")

    def end(self) -> None:
        """Wait until all have ended; end those that don't."""
        until = time.monotonic() + GRACE
        for process in self.processes:
            process.join(max(0.0, until - time.monotonic()))
        for stop in (BaseProcess.terminate, BaseProcess.kill):
            late = [process for process in self.processes if process.exitcode is None]
            for process in late:
                stop(process)
            for process in late:
                process.join(GRACE)


def shares(workers: int, processes: int) -> list[int]:
    """How many ranks each process hosts: as even as can be."""
    base, more = divmod(workers, processes)
    return [base + (i < more) for i in range(processes)]


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"
