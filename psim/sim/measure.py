"""What a round costs this machine: a run in this process, with each kind of work timed by itself.

What is measured is the work of the nodes that every run has, without sockets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import cast

from psim.experiment import Experiment, master
from psim.nodes.instructions import Broadcast, Finish, Hold, Instruction
from psim.nodes.worker import WorkerHost
from psim.problems.base import Share
from psim.runtime import stopwatch
from psim.threads import single_threaded
from psim.vectors import torch

FEWEST = 3
"""Rounds that `measure` needs: the first one, in which code may be compiled, counts for nothing."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of a round, medians over the rounds measured: seconds of a rank (the mean rank's) and of the
    master; bytes with framing of a rank's message, and of what a rank is sent.

    ``compress`` is all that a method does to a gradient, ``serialize`` what decodes a broadcast and
    encodes a message, ``serialize_at_master`` what decodes all messages and encodes the broadcast.
    """

    gradient: float
    compress: float
    serialize: float
    aggregate: float
    serialize_at_master: float
    up: float
    down: float

    @property
    def at_master(self) -> float:
        """Seconds from the last message to the broadcast."""
        return self.aggregate + self.serialize_at_master


class Laps:
    """A stopwatch that is read in pairs, and adds up what lies within them."""

    def __init__(self, watch: Callable[[], float]) -> None:
        self._watch = watch
        self._began: float | None = None
        self.seconds = 0.0

    def __call__(self) -> float:
        now = self._watch()
        if self._began is None:
            self._began = now
        else:
            self.seconds += now - self._began
            self._began = None
        return now


class _TimedShare:
    """A share whose gradients are timed; all else is the share's."""

    def __init__(self, share: Share, laps: Laps) -> None:
        self._share, self._laps = share, laps

    def __getattr__(self, name: str) -> object:
        return getattr(self._share, name)

    def gradient(self, *arguments: object) -> torch.Tensor:
        self._laps()
        gradient = self._share.gradient(*arguments)  # type: ignore[arg-type]
        self._laps()
        return gradient

    def loss_and_gradient(self, *arguments: object) -> tuple[float, torch.Tensor]:
        self._laps()
        both = self._share.loss_and_gradient(*arguments)  # type: ignore[arg-type]
        self._laps()
        return both


def measure(experiment: Experiment) -> Costs:
    """Run the experiment and time its rounds. It has `FEWEST` or more, an emulated network, and a
    row for the first round and the last one only.
    """
    with single_threaded():
        return _Measured(experiment).costs()


class _Measured:
    """The nodes of a run, and the stopwatches on their work."""

    def __init__(self, experiment: Experiment) -> None:
        problem, self.setup = experiment.problem, experiment.setup
        watch = stopwatch.of(problem.device, elapsed=True)
        self.gradients, self.computing = Laps(watch), Laps(watch)
        self.at_host, self.at_master, self.aggregating = (Laps(time.perf_counter) for _ in range(3))
        shares = {r: _TimedShare(problem.share(r), self.gradients) for r in range(self.workers)}
        self.host = WorkerHost(
            self.setup, cast("Mapping[int, Share]", shares), self.computing, problem.device
        )
        self.node = master(experiment, time.perf_counter, self.aggregating)

    @property
    def workers(self) -> int:
        return self.setup.workers

    def costs(self) -> Costs:
        readings = self._readings()[1:]
        spent = [
            [late - early for early, late in zip(*both, strict=True)] for both in pairwise(readings)
        ]
        gradient, compute, host, aggregate, node, up, down = map(median, zip(*spent, strict=True))
        n = self.workers
        return Costs(
            gradient / n,
            max(0.0, compute - gradient) / n,
            max(0.0, host - compute) / n,
            aggregate,
            max(0.0, node - aggregate),
            up / n,
            down / n,
        )

    def _readings(self) -> list[tuple[float, ...]]:
        """All stopwatches and both counts of bytes, as each round begins."""
        found = []
        pending: list[Instruction] = self.node.begin()
        while pending and not isinstance(pending[0], Finish):
            instruction = pending.pop(0)
            if isinstance(instruction, Broadcast):
                if instruction.due is not None:  # questions take no emulated time
                    found.append(self._read())
                pending += self._exchange(instruction)
            elif isinstance(instruction, Hold):
                pending += self._at_master(self.node.proceed)
        return found

    def _read(self) -> tuple[float, ...]:
        laps = (self.gradients, self.computing, self.at_host, self.aggregating, self.at_master)
        ledger = self.node.account.ledger
        sent = ledger.total("up", "message", "start"), ledger.total("down", "broadcast", "setup")
        return (*(lap.seconds for lap in laps), *(float(each.framed) for each in sent))

    def _exchange(self, broadcast: Broadcast) -> list[Instruction]:
        """Every rank answers, and the master hears it."""
        then: list[Instruction] = []
        ranks = broadcast.ranks
        copies = [broadcast.message] if ranks is None else map(self.node.copy_for, ranks)
        for copy in copies:
            self.at_host()
            answers = list(self.host.receive(copy.all()))
            self.at_host()
            for rank, answer in answers:
                hear = partial(self.node.receive, answer.all(), (rank,))
                then += self._at_master(hear)
        return then

    def _at_master(self, work: Callable[[], list[Instruction]]) -> list[Instruction]:
        self.at_master()
        then = work()
        self.at_master()
        return then
