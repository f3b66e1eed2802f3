"""Which selection is the faster one: numpy for short vectors, compiled loops for long ones.

Both give the same bits, so that the choice is one of time only. It is made by size alone, so that a
short vector by itself never has numba imported.
"""

from __future__ import annotations

from typing import Protocol, cast

from psim.kernels import plain
from psim.kernels.plain import Floats, Indices

LONG = 2_000
"""Entries from which selections are compiled. Below, numpy's calls take less time."""
LONG_FOR_ONE = 200_000
"""The same for a single entry, which numpy finds without a selection."""


class Selection(Protocol):
    """`plain` or `selection`."""

    def largest(self, vector: Floats, k: int) -> tuple[Indices, Floats]: ...

    def largest_of_difference(
        self, target: Floats, kept: Floats, k: int
    ) -> tuple[Indices, Floats]: ...

    def largest_of_sum(
        self, kept: Floats, target: Floats, factor: float, k: int
    ) -> tuple[Indices, Floats]: ...

    def at_least(self, vector: Floats, threshold: float) -> tuple[Indices, Floats]: ...


def selection(size: int, k: int | None = None) -> Selection:
    """For vectors of ``size`` entries of which ``k`` are selected, or as many as are large."""
    if size < (LONG_FOR_ONE if k == 1 else LONG):
        return cast("Selection", plain)
    from psim.kernels import selection as compiled

    return cast("Selection", compiled)
