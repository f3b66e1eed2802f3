"""What computing costs on the timeline: each rank's work of a round, and the master's.

The time of a rank is the one of its source (measured, constant, drawn or recorded) times the rank's
own factor, times the factor of a straggler while it is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from psim.net.distributions import Distribution, Draws
from psim.random import uniforms

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Source(Protocol):
    """Where durations come from."""

    def seconds(self, round: int, reported: Floats, ranks: Ints) -> Floats:
        """One duration (s) for each of the ranks; ``reported`` is what these measured."""


class Measured:
    """As long as the ranks report."""

    def seconds(self, round: int, reported: Floats, ranks: Ints) -> Floats:
        return reported


MEASURED = Measured()


class Constant:
    """Always as long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def seconds(self, round: int, reported: Floats, ranks: Ints) -> Floats:
        return np.full_like(reported, self._seconds)


class Drawn:
    """Each rank and round anew from one distribution."""

    def __init__(self, seed: int, workers: int, distribution: Distribution) -> None:
        self._draws = Draws(seed, "compute", [distribution] * workers)

    def seconds(self, round: int, reported: Floats, ranks: Ints) -> Floats:
        return self._draws.at(round, ranks)


class Replay:
    """As recorded: row t mod rows of an array of shape (rows, ranks) in round t."""

    def __init__(self, recorded: ArrayLike) -> None:
        self._recorded = np.asarray(recorded, dtype=np.float64)
        assert self._recorded.ndim == 2

    def seconds(self, round: int, reported: Floats, ranks: Ints) -> Floats:
        row: Floats = self._recorded[round % len(self._recorded)]
        return row[ranks]


@dataclass(frozen=True, slots=True)
class Straggler:
    """In each spell of ``rounds`` rounds a rank is ``factor`` times slower with this probability;
    ranks and spells are independent.
    """

    probability: float
    factor: float
    rounds: int = 1

    def factors(self, seed: int, ranks: Ints, round: int) -> Floats:
        """One factor for each of the ranks."""
        share = uniforms(seed, "straggler", ranks, round // self.rounds)[:, 0]
        return np.where(share < self.probability, self.factor, 1.0)


@dataclass(frozen=True, slots=True)
class Compute:
    """The times of all ranks. ``factors`` has one number per rank; ``master_source`` is where what
    the master's own work costs comes from, as if it were one rank.
    """

    source: Source
    factors: Floats
    straggler: Straggler | None = None
    master_source: Source = MEASURED
    seed: int = 0

    def seconds(self, round: int, reported: Floats, ranks: Ints | None = None) -> Floats:
        """How long the ranks compute in a round (s), by themselves all of them; ``reported`` has
        what these measured.
        """
        chosen = np.arange(len(self.factors)) if ranks is None else ranks
        times = self.source.seconds(round, reported, chosen) * self.factors[chosen]
        if self.straggler is not None:
            times = times * self.straggler.factors(self.seed, chosen, round)
        return times

    def master(self, round: int, measured: float) -> float:
        """What aggregating and advancing costs the master (s)."""
        return float(self.master_source.seconds(round, np.array([measured]), np.array([0]))[0])


def constant(workers: int, seconds: float) -> Compute:
    """Every rank computes as long in every round, and the master's work costs nothing."""
    return Compute(Constant(seconds), np.ones(workers), master_source=Constant(0.0))
