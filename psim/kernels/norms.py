"""The largest magnitude and the folded sum of a long vector's rows: what `psim.compressors.norms`
says in torch, without a copy of the vector.

A fold adds the second half to the first, again and again. That is a tree of additions whose leaves
are pieces of the vector: piece b begins at the sum of those halves whose bit is set in b. Walking
the tree depth first has one piece a level in memory, and the additions are those of the whole fold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled
from psim.kernels.plain import Floats

PIECE = 1024
"""Entries that are added together: they stay in the first-level cache."""
LEVELS = 64
"""More than any vector has."""


def largest(vector: Floats, length: int, side: int = 0) -> NDArray[np.float64]:
    """The largest magnitude of each row of ``length`` entries, NaN where there is one; (m,).
    ``side``: of all entries (0), of those below 0 (-1), or of those that are not (1).
    """
    rows = -(-vector.size // length)
    found = np.empty(rows, vector.dtype)
    whole = np.dtype(f"i{vector.itemsize}")
    unsigned = whole.type(np.iinfo(whole).max)
    _largest(vector, vector.view(whole), unsigned, length, side, found.view(whole))
    return found.astype(np.float64)


def folded(
    vector: Floats, length: int, top: NDArray[np.float64], squared: bool, side: int = 0
) -> NDArray[np.float64]:
    """Σ |v_j|/top, or Σ (|v_j|/top)², of each row, folded; the last row is filled up with 0, and
    rows whose ``top`` is 0 are not divided; entries of the other side count as 0. (m,), float64.
    """
    sums = np.empty(top.size)
    _folded(vector, length, np.where(top == 0, 1.0, top), squared, side, sums)
    return sums


@compiled
def _largest(
    vector: Floats,
    bits: NDArray[np.signedinteger[Any]],
    unsigned: np.signedinteger[Any],
    length: int,
    side: int,
    tops: NDArray[np.signedinteger[Any]],
) -> None:
    """The magnitudes' bits compare as the magnitudes do, and NaN's are above infinity's."""
    for row in range(len(tops)):
        start = row * length
        entries, own = vector[start : start + length], bits[start : start + length]
        top = tops.dtype.type(0)
        if side == 0:
            for place in range(len(own)):
                top = max(top, tops.dtype.type(own[place] & unsigned))
        else:
            for place in range(len(own)):
                chosen = (entries[place] < 0) == (side < 0)
                top = max(top, tops.dtype.type((own[place] & unsigned) * chosen))
        tops[row] = top


@compiled
def _folded(
    vector: Floats,
    length: int,
    tops: NDArray[np.float64],
    squared: bool,
    side: int,
    sums: NDArray[np.float64],
) -> None:
    counts = np.empty(LEVELS, np.int64)
    counts[0] = length
    depth = 0
    while counts[depth] > PIECE:
        counts[depth + 1] = (counts[depth] + 1) // 2
        depth += 1
    size = counts[depth]
    pending, work = np.empty((depth + 1, size)), np.empty(size)
    for row in range(len(sums)):
        start = row * length
        own = vector[start : min(start + length, len(vector))]
        for leaf in range(1 << depth):
            # Where the piece begins, and how much of it the fold has at every level.
            place, there = 0, size
            for level in range(depth - 1, -1, -1):
                if (leaf >> level) & 1:
                    place += counts[level + 1]
                    there = min(there, counts[level] - place)
            there = max(0, min(there, len(own) - place))
            _magnitudes(own[place : place + there], tops[row], squared, side, work)
            work[there:] = 0.0
            level = 0
            while (leaf >> level) & 1:
                work += pending[level]
                level += 1
            pending[level] = work
        count = size
        while count > 1:
            half = (count + 1) // 2
            for place in range(count - half):
                work[place] += work[half + place]
            count = half
        sums[row] = work[0]


@compiled
def _magnitudes(
    entries: Floats, top: float, squared: bool, side: int, found: NDArray[np.float64]
) -> None:
    """|v|/top of some entries, or its square."""
    for place in range(len(entries)):
        found[place] = abs(np.float64(entries[place])) / top
    if side != 0:
        for place in range(len(entries)):
            if (entries[place] < 0) != (side < 0):
                found[place] = 0.0
    if squared:
        for place in range(len(entries)):
            found[place] *= found[place]
