"""Sums of vectors, sparse ones entry after entry in the order given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled
from psim.kernels.plain import Floats, Indices, outside

PART = 1 << 17
"""Entries that are summed at a time: they stay in the second-level cache, where the entries of a
whole long vector would each be fetched from memory once for every message.
"""


def add_at(target: Floats, indices: Indices, values: Floats) -> None:
    """As `plain.add_at`."""
    if not _add_at(target, indices, values, 0):
        raise outside(target.size)


def subtract_scaled(target: Floats, vector: Floats, factor: float) -> None:
    """As `plain.subtract_scaled`, in one pass over memory."""
    _subtract_scaled(target, vector, target.dtype.type(factor))


def mean_of_sparse(
    size: int,
    indices: Sequence[Indices],
    values: Sequence[Floats],
    count: int,
    dtype: np.dtype[np.floating],
) -> tuple[Indices, Floats]:
    """As `plain.mean_of_sparse`, part after part of the vectors."""
    starts = range(0, size, PART)
    bounds = [np.searchsorted(some, [*starts, size]).tolist() for some in indices]
    for some, bound in zip(indices, bounds, strict=True):
        if bound[0] > 0 or bound[-1] < some.size:
            raise outside(size)
    most = min(size, sum(map(len, indices))) + 8
    support, mean = np.empty(most, np.int64), np.empty(most, dtype)
    total, flags = np.zeros(PART, dtype), np.zeros(PART, np.uint8)
    found = 0
    for number, start in enumerate(starts):
        for some, their, bound in zip(indices, values, bounds, strict=True):
            here = slice(bound[number], bound[number + 1])
            part = some[here]
            _add_at(total, part, their[here].astype(dtype, copy=False), start)
            _flag(flags, part, start)
        found = _divide(total, flags, start, dtype.type(count), support, mean, found)
    return support[:found], mean[:found]


@compiled
def _add_at(target: Floats, indices: Indices, values: Floats, start: int) -> bool:
    """Add to the entries from ``start`` on; False at the first index that has none."""
    for place in range(len(indices)):
        index = indices[place] - start
        if not 0 <= index < len(target):
            return False
        target[index] += values[place]
    return True


@compiled
def _subtract_scaled(target: Floats, vector: Floats, factor: np.floating) -> None:
    for place in range(len(target)):
        target[place] -= factor * vector[place]


@compiled
def _flag(flags: NDArray[np.uint8], indices: Indices, start: int) -> None:
    for place in range(len(indices)):
        flags[indices[place] - start] = 1


@compiled
def _divide(
    total: Floats,
    flags: NDArray[np.uint8],
    start: int,
    count: np.floating,
    support: Indices,
    mean: Floats,
    found: int,
) -> int:
    """Append the flagged entries, divided by ``count``, to the ``found`` ones, and leave zeros; how
    many are found then. There is place for more: an entry is written before its flag is seen.
    """
    words = flags.view(np.uint64)
    for word in range(len(words)):
        if words[word]:
            for place in range(8 * word, 8 * word + 8):
                support[found] = start + place
                mean[found] = total[place] / count
                found += flags[place]
                total[place] = 0.0
                flags[place] = 0
    return found
