"""How long something lasts that is not always the same: extra latencies, gradients.

A draw is the quantile of one uniform number, so that it is a function of (seed, purpose, rank,
round) and of nothing else: `psim.random`. All durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, sqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from psim.random import uniforms

Floats = NDArray[np.float64]


class Distribution(Protocol):
    """A distribution of durations (s); ``deviation`` is the standard deviation."""

    @property
    def mean(self) -> float: ...

    @property
    def deviation(self) -> float: ...

    def quantile(self, share: Floats) -> Floats:
        """The durations that a `share` in [0, 1) of all draws stays below."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """From ``low`` to ``high``."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    @property
    def deviation(self) -> float:
        return (self.high - self.low) / sqrt(12)

    def quantile(self, share: Floats) -> Floats:
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal, where negative draws count as 0; mean and deviation are those before that."""

    mean: float
    deviation: float

    def quantile(self, share: Floats) -> Floats:
        return np.maximum(0.0, self.mean + self.deviation * _normal_quantile(share))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """median · exp(sigma · z), z standard normal."""

    median: float
    sigma: float

    @property
    def mean(self) -> float:
        return self.median * exp(self.sigma**2 / 2)

    @property
    def deviation(self) -> float:
        return self.mean * sqrt(expm1(self.sigma**2))

    def quantile(self, share: Floats) -> Floats:
        draws: Floats = self.median * np.exp(self.sigma * _normal_quantile(share))
        return draws


@dataclass(frozen=True, slots=True)
class Exponential:
    """``base`` plus an exponential tail whose mean is ``tail``."""

    base: float
    tail: float

    @property
    def mean(self) -> float:
        return self.base + self.tail

    @property
    def deviation(self) -> float:
        return self.tail

    def quantile(self, share: Floats) -> Floats:
        draws: Floats = self.base - self.tail * np.log1p(-share)
        return draws


class Draws:
    """One draw per rank and round, each rank from its own distribution; None draws 0."""

    def __init__(
        self, seed: int, purpose: str, distributions: Sequence[Distribution | None]
    ) -> None:
        self._seed, self._purpose = seed, purpose
        self._kinds: list[Distribution] = list(dict.fromkeys(d for d in distributions if d))
        numbers = {each: number for number, each in enumerate(self._kinds)}
        self._of_rank = np.array(
            [-1 if d is None else numbers[d] for d in distributions], dtype=np.int32
        )

    def at(self, round: int, ranks: NDArray[np.int64] | None = None) -> Floats:
        """Seconds, one number for each of the ranks; None is all."""
        if ranks is None:
            ranks = np.arange(len(self._of_rank))
        drawn = np.zeros(len(ranks))
        if not self._kinds:
            return drawn
        kinds = self._of_rank[ranks]
        for number, distribution in enumerate(self._kinds):
            places = np.flatnonzero(kinds == number)
            share = uniforms(self._seed, self._purpose, ranks[places], round)[:, 0]
            drawn[places] = distribution.quantile(share)
        return drawn


def _normal_quantile(share: Floats) -> Floats:
    from scipy.special import ndtri

    quantiles: Floats = ndtri(share)
    return quantiles
