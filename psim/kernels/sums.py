"""Sums of vectors, sparse ones entry after entry in the order given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled, trailing_zeros
from psim.kernels.plain import Floats, Indices, outside

PART = 1 << 17
"""Entries that are summed at a time: they stay in the second-level cache, where the entries of a
whole long vector would each be fetched from memory once for every message.
"""

BITS = 64
"""Entries of which a word says whether they are there."""
ONE = np.uint64(1)
Words = NDArray[np.uint64]


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
    for some in indices:
        if some.size and (some[0] < 0 or some[-1] >= size):
            raise outside(size)
    present = np.zeros(-(-size // BITS), np.uint64)
    # Counted first: room for what the messages have at most would be several times as much.
    most = sum(_mark(present, some) for some in indices)
    support, mean = np.empty(most, np.int64), np.empty(most, dtype)
    total, found = np.zeros(PART, dtype), 0
    starts = range(0, size, PART)
    bounds = [np.searchsorted(some, [*starts, size]).tolist() for some in indices]
    for number, start in enumerate(starts):
        for some, their, bound in zip(indices, values, bounds, strict=True):
            here = slice(bound[number], bound[number + 1])
            _add_at(total, some[here], their[here].astype(dtype, copy=False), start)
        words = present[start // BITS : (start + PART) // BITS]
        found = _divide(total, words, start, dtype.type(count), support, mean, found)
    return support, mean


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
def _mark(present: Words, indices: Indices) -> int:
    """Mark entries; how many of them were not marked before."""
    found = 0
    for index in indices:
        word, bit = index // BITS, ONE << np.uint64(index % BITS)
        found += present[word] & bit == 0
        present[word] |= bit
    return found


@compiled
def _divide(
    total: Floats,
    present: Words,
    start: int,
    count: np.floating,
    support: Indices,
    mean: Floats,
    found: int,
) -> int:
    """Append the marked entries, divided by ``count``, to the ``found`` ones, and leave zeros; how
    many are found then.
    """
    for word in range(len(present)):
        bits = present[word]
        while bits:
            place = BITS * word + trailing_zeros(bits)
            support[found] = start + place
            mean[found] = total[place] / count
            total[place] = 0.0
            found += 1
            bits &= bits - ONE
    return found
