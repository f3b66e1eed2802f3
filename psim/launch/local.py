"""Worker processes on this machine, forked from a warm parent.

They have process ids and TCP connections of their own. The parent imports torch once; a fork of it
costs milliseconds and shares its memory.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from pickle import PicklingError
from typing import TYPE_CHECKING

from psim.errors import PeerError, PsimError, UsageError
from psim.launch.pages import inherited
from psim.launch.signals import deferred

if TYPE_CHECKING:
    from psim.data.opened import Local

ROWS = "PSIM_WARM_ROWS"
"""The environment variable that tells the warm parent what to read: there is no other way to it."""
_STARTED: set[int] = set()
"""Processes that have started a warm parent: a fork of one has none yet."""
GRACE = 3.0
"""Seconds that worker processes have to end by themselves before they are ended."""
GREETING = 20.0
"""Seconds that a local worker waits for its master, which is there before it: one that does not
answer has been killed."""


def context() -> ForkServerContext:
    """The warm parent's context."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["psim.launch.warm"])
    return made


def warm_up(rows: tuple[str, int | None] | None = None) -> None:
    """Start the warm parent now: it imports torch while this process does something else. If it is
    not there yet, it also reads the ``rows`` of a data set, of dimension d where that is given: its
    forks then have them in common.

    The terminal's Ctrl-C is for the master: it is masked in the warm parent, and so in its forks.
    """
    context()
    resource_tracker.ensure_running()  # it unmasks SIGINT, so it comes first
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if rows is not None:
        os.environ[ROWS] = json.dumps(rows)
    try:
        # The environment is touched as seldom as can be: other threads may be reading it.
        with nullcontext() if os.getpid() in _STARTED else inherited():
            forkserver.ensure_running()
        _STARTED.add(os.getpid())
    finally:
        os.environ.pop(ROWS, None)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def fork(life: Callable[..., None], *arguments: object) -> BaseProcess:
    """A process that is a fork of the warm parent, started. Raises UsageError where what it is to
    have a copy of can't be copied: lambdas, functions within functions, open files; tensors that
    shared memory has no room for.
    """
    warm_up()
    process = context().Process(target=life, args=arguments)
    try:
        with _main_importable():
            process.start()
    except (PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"the problem can't be copied to another process: {error}: define its parts in a "
            "module, or use transport: inproc and one job"
        ) from None
    except RuntimeError as error:  # torch's, whose tensors are copied through shared memory
        if "shared memory" not in str(error):
            raise
        raise UsageError(
            f"the problem can't be copied to another process: {error}: give the machine's shared "
            "memory more room (a container's: docker run --shm-size 2g), or use transport: inproc"
        ) from None
    return process


@contextmanager
def _main_importable() -> Iterator[None]:
    """Inside, a ``__main__`` that came from standard input has no file: a new process would look
    for it.
    """
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path is None or Path(path).exists():
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = path


def host(address: str, count: int, own: Local | None = None) -> None:
    """A local worker process's whole life. The master reports errors, which it is told."""
    from psim.data.opened import HERE
    from psim.runtime.work import work

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the master
    try:
        work(address, count, GREETING, local=own or HERE)
    except PsimError as error:
        sys.exit(error.exit_code)


class LocalWorkers:
    """The processes that host all ranks of a run."""

    def __init__(self) -> None:
        self.processes: list[BaseProcess] = []

    def start(self, address: str, counts: list[int], own: Local | None = None) -> None:
        """One process for each count of ranks, for the master at ``address``; each gets a copy of
        what this process has of its ``own``.
        """
        for count in counts:
            with deferred():
                self.processes.append(fork(host, address, count, own))

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
