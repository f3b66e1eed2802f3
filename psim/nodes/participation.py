"""Whose messages make a round, and when the master goes on.

A rank whose message is still on its way when the master goes on is *late*: it is sent no broadcast
and takes part in no round until that message is there, as a worker that waits for the answer to
what it sent. Late messages are dropped, or used in the round in which they come.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from psim import random

if TYPE_CHECKING:
    from psim.config import Config

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Participation:
    """All ranks, by itself; and all that are called are awaited."""

    workers: int
    late: Literal["drop", "next"] = "drop"

    partial = False
    """Whether there are rounds that some ranks take no part in."""
    timed = False
    """Whether it is the timeline that decides who is late."""

    def called(self, round: int, late: Collection[int]) -> Sequence[int]:
        """The ranks that take part in the round, ascending: those that are not ``late``."""
        if not late:
            return range(self.workers)
        return [rank for rank in range(self.workers) if rank not in late]

    def ends(self, began: float, arrived: Floats, late: Floats) -> float:
        """The instant (s) at which the master goes on with a round that began at ``began``.
        ``arrived`` says when the messages of those called come, ``late`` when the late ones do.
        """
        del began, late
        return float(arrived.max())


@dataclass(frozen=True, slots=True)
class Sampled(Participation):
    """``count`` ranks, drawn anew each round; all sets are equally likely."""

    count: int = 1
    seed: int = 0
    partial = True

    def called(self, round: int, late: Collection[int]) -> Sequence[int]:
        drawn: list[int] = random.sample(
            self.seed, "participation", self.workers, self.count, round
        ).tolist()
        return drawn


@dataclass(frozen=True, slots=True)
class Quorum(Participation):
    """The first ``count`` messages that can be used; fewer where no more are on their way."""

    count: int = 1
    partial = timed = True

    def ends(self, began: float, arrived: Floats, late: Floats) -> float:
        usable = arrived if self.late == "drop" else np.concatenate([arrived, late])
        if not len(usable):  # nobody is free: until somebody is
            return float(late.min())
        return float(np.sort(usable)[min(self.count, len(usable)) - 1])


@dataclass(frozen=True, slots=True)
class Deadline(Participation):
    """Whoever comes within ``seconds`` of the round's beginning; the master goes on at once when
    all that were called are there.
    """

    seconds: float = 0.0
    partial = timed = True

    def ends(self, began: float, arrived: Floats, late: Floats) -> float:
        until = began + self.seconds
        return min(until, float(arrived.max())) if len(arrived) else until


@dataclass(slots=True)
class Attendance:
    """How many messages made updates, how many were late, and how many of these were dropped."""

    used: int = 0
    late: int = 0
    dropped: int = 0


def participation(config: Config) -> Participation:
    """Whose messages make a round, as the config says."""
    wanted, n = config.participation, config.workers
    late = wanted.late or "drop"
    match wanted.kind:
        case "all":
            return Participation(n)
        case "sampled":
            assert wanted.fraction is not None, "the config is complete"
            return Sampled(n, count=max(1, round(wanted.fraction * n)), seed=config.seed)
        case "quorum":
            assert wanted.count is not None, "the config is complete"
            return Quorum(n, late, wanted.count)
        case "deadline":
            assert wanted.seconds is not None, "the config is complete"
            return Deadline(n, late, wanted.seconds)
