"""A bandwidth that changes with time: piecewise constant, once or again and again."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ROUNDING = 1e-12
"""The share of a message that may be missing by rounding where it is complete."""


class Trace:
    """rates[i] (bits/s) holds from times[i] (s) to times[i + 1], and the last one to ``period``,
    when it all begins again; a period of infinity never ends. ``times`` begin at 0 and increase.

    What it carries in all is infinite, so that every message arrives at last.
    """

    def __init__(self, times: ArrayLike, rates: ArrayLike, period: float = inf) -> None:
        self.times = np.asarray(times, dtype=np.float64)
        self.rates = np.asarray(rates, dtype=np.float64)
        self.period = period
        assert len(self.times) == len(self.rates) > 0
        assert self.times[0] == 0.0
        assert (np.diff(self.times, append=period) > 0).all(), "times increase"
        assert self.rates.min() >= 0
        assert (self.rates[-1] if period == inf else self.rates.max()) > 0, "it must carry"
        lengths = np.diff(self.times, append=period if period < inf else self.times[-1])
        self._carried = np.concatenate([[0.0], (self.rates * lengths).cumsum()])
        """Bits that cross from 0 to times[i]; the last entry: to the period's end."""

    @property
    def most(self) -> float:
        """The largest bandwidth (bits/s)."""
        return float(self.rates.max())

    @property
    def mean(self) -> float:
        """The mean bandwidth (bits/s) over a period; without one, the last."""
        return float(self.rates[-1] if self.period == inf else self._carried[-1] / self.period)

    def carried(self, until: ArrayLike) -> Floats:
        """Bits that can cross from 0 to the instants ``until`` (s)."""
        cycles, within = self._divided(np.asarray(until, dtype=np.float64), self.period)
        place = self.times.searchsorted(within, side="right") - 1
        bits = self._carried[place] + self.rates[place] * (within - self.times[place])
        whole: Floats = bits if self.period == inf else cycles * self._carried[-1] + bits
        return whole

    def finish(self, starts: ArrayLike, bits: ArrayLike) -> Floats:
        """Instants (s) at which flows are complete that begin at ``starts`` and have it alone."""
        starts, bits = np.asarray(starts, dtype=np.float64), np.asarray(bits, dtype=np.float64)
        target = self.carried(starts) + bits
        total = inf if self.period == inf else float(self._carried[-1])
        cycles, within = self._divided(target, total)
        # What fits exactly is complete then, and rounding must not let a pause that follows pass.
        slack = ROUNDING * bits + 4 * np.spacing(target)
        early = (within <= slack) & (cycles > 0)
        cycles = np.where(early, cycles - 1, cycles)
        within = np.where(early, total + within, within) if total < inf else within
        place = self._carried[: len(self.times)].searchsorted(within - slack) - 1
        place = np.clip(place, 0, None)
        with np.errstate(divide="ignore", invalid="ignore"):  # 0 bits at a rate of 0: used nowhere
            instant = self.times[place] + (within - self._carried[place]) / self.rates[place]
        if self.period < inf:
            instant = instant + cycles * self.period
        finish: Floats = np.where(bits > 0, np.maximum(instant, starts), starts)
        return finish

    def changes(self, since: float) -> Iterator[tuple[float, float]]:
        """The bandwidth at the instant ``since`` (s), and each later (instant, bandwidth)."""
        cycles, within = (float(x) for x in self._divided(np.asarray(since), self.period))
        place = int(self.times.searchsorted(within, side="right")) - 1
        yield since, float(self.rates[place])
        while True:
            place += 1
            if place == len(self.times):
                if self.period == inf:
                    return
                place, cycles = 0, cycles + 1
            begun = cycles * self.period if self.period < inf else 0.0
            yield begun + float(self.times[place]), float(self.rates[place])

    @staticmethod
    def _divided(values: Floats, whole: float) -> tuple[Floats, Floats]:
        """How often ``whole`` goes into the values, and what is left, both exact to rounding."""
        if whole == inf:
            return np.zeros_like(values), values
        cycles = np.floor(values / whole)
        left = values - cycles * whole
        over = left >= whole
        return np.where(over, cycles + 1, cycles), np.clip(np.where(over, 0.0, left), 0.0, None)
