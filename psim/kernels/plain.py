"""What the compiled modules compute, in numpy: for short vectors, and for tests to compare with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


def largest(vector: Floats, k: int) -> tuple[Indices, Floats]:
    """The k entries of largest magnitude, ties to the lowest index, NaN taken for infinite.

    Their indices, ascending, and their values; both of shape (k,), with 0 < k <= len(vector).
    """
    indices = _largest_one(vector) if k == 1 else _largest_of_many(vector, k)
    return indices, vector[indices]


def _largest_one(vector: Floats) -> Indices:
    magnitude = np.abs(vector)
    first = magnitude.argmax()  # of equals the first, and the first NaN where there is one
    if math.isnan(magnitude[first]):
        magnitude[np.isnan(magnitude)] = np.inf
        first = magnitude.argmax()
    return np.array([first])


def _largest_of_many(vector: Floats, k: int) -> Indices:
    magnitude = np.abs(vector)
    threshold = _kth_largest(magnitude, k)
    # "Not below" keeps NaN, which is among the largest.
    found = np.flatnonzero(~(magnitude < threshold))
    if found.size == k:
        return found
    unsound = np.isnan(magnitude)
    if unsound.any():
        magnitude[unsound] = np.inf
        threshold = _kth_largest(magnitude, k)
    above = np.flatnonzero(magnitude > threshold)
    tied = np.flatnonzero(magnitude == threshold)[: k - above.size]
    return np.sort(np.concatenate([above, tied]))


def _kth_largest(magnitude: Floats, k: int) -> np.floating:
    """By selection; where most are 0, among the others: numpy takes ten times as long to select
    among a million equal entries as among different ones.
    """
    if 2 * np.count_nonzero(magnitude) < magnitude.size:
        magnitude = magnitude[magnitude != 0]
        if k > magnitude.size:
            return magnitude.dtype.type(0)
    place = magnitude.size - k
    threshold: np.floating = np.partition(magnitude, place)[place]
    return threshold


def largest_of_difference(target: Floats, kept: Floats, k: int) -> tuple[Indices, Floats]:
    """`largest` of ``target`` - ``kept``, vectors of one type."""
    return largest(target - kept, k)


def largest_of_sum(kept: Floats, target: Floats, factor: float, k: int) -> tuple[Indices, Floats]:
    """kept ← kept + factor · target, in place, a product, then a sum; and `largest` of that."""
    kept += target * kept.dtype.type(factor)
    return largest(kept, k)


def at_least(vector: Floats, threshold: float) -> tuple[Indices, Floats]:
    """All entries whose magnitude is not below the threshold, NaN among them; the threshold is
    rounded to the vector's type. Their indices, ascending, and their values.
    """
    indices = np.flatnonzero(~(np.abs(vector) < vector.dtype.type(threshold)))
    return indices, vector[indices]


def add_at(target: Floats, indices: Indices, values: Floats) -> None:
    """target[indices] += values, one after the other, in place; values of the target's type.

    Raises IndexError where an index is not in 0..len(target) - 1; some may be added by then.
    """
    if indices.size and (indices.min() < 0 or indices.max() >= target.size):
        raise outside(target.size)
    np.add.at(target, indices, values)


def subtract_scaled(target: Floats, vector: Floats, factor: float) -> None:
    """target ← target - factor · vector, of one type, in place: a product, then a subtraction."""
    target -= vector * target.dtype.type(factor)


def outside(size: int) -> IndexError:
    """What is raised for an index that a vector of ``size`` entries does not have."""
    return IndexError(f"an index lies outside of the vector's {size} entries")


def mean_of_sparse(
    size: int,
    indices: Sequence[Indices],
    values: Sequence[Floats],
    count: int,
    dtype: np.dtype[np.floating],
) -> tuple[Indices, Floats]:
    """(1/count) Σ of sparse vectors of ``size`` entries, summed in the order given, in ``dtype``.

    Which entries any of them has, ascending, and the mean's values there. Raises IndexError.
    """
    total, present = np.zeros(size, dtype), np.zeros(size, bool)
    for some, their in zip(indices, values, strict=True):
        add_at(total, some, their.astype(dtype, copy=False))
        present[some] = True
    support = np.flatnonzero(present)
    return support, total[support] / dtype.type(count)
