"""Several runs at once, each in a process of its own that starts its own workers."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from psim.config import parse
from psim.data.opened import Local
from psim.errors import PsimError
from psim.experiment import Opener
from psim.launch import single
from psim.launch.folders import SweepFolder
from psim.launch.journal import Screen
from psim.launch.local import GRACE, context, fork
from psim.launch.signals import deferred
from psim.nodes.rows import Row
from psim.plan import Plan

Report = tuple[int, float | None, Row | None]
"""Round, instant and last row; what a run that goes on tells."""
Ended = tuple[str, str | None, int]
"""Status, the reason of a failure, and its exit code; a run's last word."""


class JobError(PsimError):
    """A run in another process failed, with that run's reason and exit code."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


@dataclass(slots=True)
class _Job:
    number: int
    process: BaseProcess
    screen: Screen | None


class _Remote:
    """A screen at the other end of a pipe."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def progress(self, round: int, instant: float | None, row: Row | None) -> None:
        self.pipe.send((round, instant, row))


def carry(
    plan: Plan,
    sweep: SweepFolder,
    screen_of: Callable[[int], Screen | None],
    at_once: int,
    opener: Opener,
) -> list[PsimError]:
    """Carry out a plan with ``at_once`` runs at a time; the failures, in the order they came."""
    waiting, running = list(range(len(plan.runs))), dict[Connection, _Job]()
    failures: list[PsimError] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                number = waiting.pop(0)
                with deferred():
                    pipe, process = _start(plan, number, sweep.of(number), opener.local)
                    running[pipe] = _Job(number, process, screen_of(number))
            ready = wait(list(running))
            for pipe in [pipe for pipe in running if pipe in ready]:
                ended = _hear(pipe, running[pipe])
                if ended is not None:
                    job = running.pop(pipe)
                    job.process.join()
                    status, reason, code = ended
                    sweep.ended(job.number, plan.runs[job.number], status)
                    if reason is not None:
                        label = plan.runs[job.number].label
                        failures.append(JobError(f"{label}: {reason}", code))
    finally:
        _end([job.process for job in running.values()])
        for job in running.values():
            sweep.ended(job.number, plan.runs[job.number], "interrupted")
    return failures


def _start(plan: Plan, number: int, folder: Path, local: Local) -> tuple[Connection, BaseProcess]:
    here, there = context().Pipe(duplex=False)
    process = fork(_alone, plan.runs[number].config.document(), str(folder), there, local)
    there.close()
    return here, process


def _hear(pipe: Connection, job: _Job) -> Ended | None:
    """A run's next word: shown, or returned where it is its last."""
    try:
        word: Report | Ended = pipe.recv()
    except EOFError:
        return "failed", f"its process {job.process.pid} ended without a word", 1
    if isinstance(word[0], str):
        return word
    if job.screen is not None:
        job.screen.progress(*word)
    return None


def _alone(document: dict[str, object], folder: str, pipe: Connection, local: Local) -> None:
    """The life of a run's own process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it with SIGTERM
    ended: Ended
    try:
        opener = Opener(local)
        outcome = single.run(parse(document), Path(folder), False, _Remote(pipe), opener)
        ended = outcome.finish.status, None, 0
    except PsimError as error:
        ended = "failed", str(error), error.exit_code
    except KeyboardInterrupt:
        sys.exit(130)
    pipe.send(ended)


def _end(processes: list[BaseProcess]) -> None:
    """End runs in order: each completes its folder and ends its workers."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(3 * GRACE)
        if process.exitcode is None:
            process.kill()
            process.join(GRACE)
