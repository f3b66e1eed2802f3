"""Top-k of each row of a table of short vectors, with the step around it in the same pass.

Compiled: what `methods.compress_rows.CompressRows` does with numpy where it is not ``compiled``, to
the same bits. A worker host of a few ranks calls one of these in each round, in the place of a
dozen calls of numpy, whose code and data would not all be in the cache where many processes share a
core.

All fill in the ``indices`` (m, k) of the entries sent, ascending in each row, and their ``values``,
rounded to the type that travels. ``slots`` (m,) says which of the rows ``kept`` is whose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled
from psim.kernels.plain import Floats, Indices

Slots = NDArray[np.integer]
UNSIGNED = np.int64(0x7FFF_FFFF_FFFF_FFFF)
INFINITE = np.int64(0x7FF0_0000_0000_0000)


@compiled
def of_rows(vectors: Floats, indices: Indices, values: Floats) -> None:
    """Top-k of each row; 0 < k < d."""
    for row in range(len(vectors)):
        _largest(vectors[row], indices[row])
        _take(vectors[row], indices[row], values[row])


@compiled
def of_difference(
    targets: Floats, kept: Floats, slots: Slots, indices: Indices, values: Floats
) -> None:
    """Top-k of each row less what is kept of it, which what is sent is added to."""
    for row in range(len(targets)):
        target, own = targets[row], kept[slots[row]]
        for place in range(len(target)):
            target[place] -= own[place]
        _largest(target, indices[row])
        _take(target, indices[row], values[row])
        for number in range(indices.shape[1]):
            own[indices[row, number]] += values[row, number]


@compiled
def of_sum(
    vectors: Floats, factor: float, kept: Floats, slots: Slots, indices: Indices, values: Floats
) -> None:
    """kept ← kept + factor · vectors, a product, then a sum; Top-k of that, less what is sent."""
    for row in range(len(vectors)):
        vector, own = vectors[row], kept[slots[row]]
        for place in range(len(vector)):
            own[place] += factor * vector[place]
        _largest(own, indices[row])
        _take(own, indices[row], values[row])
        for number in range(indices.shape[1]):
            own[indices[row, number]] -= values[row, number]


@compiled
def _take(vector: Floats, indices: Indices, values: Floats) -> None:
    """The entries at the indices, rounded to the values' type."""
    for number in range(len(indices)):
        values[number] = vector[indices[number]]


@compiled
def _largest(vector: Floats, indices: Indices) -> None:
    """Fill in the indices of the entries of largest magnitude, as `plain.largest` has them. Of two
    floats without their signs the larger one has the larger bits.
    """
    bits, k = vector.view(np.int64), len(indices)
    if k == 1:
        first, top = 0, np.int64(-1)
        for place in range(len(bits)):
            key = min(bits[place] & UNSIGNED, INFINITE)
            if key > top:
                first, top = place, key
        indices[0] = first
        return
    keys = np.empty(len(bits), np.int64)
    for place in range(len(bits)):
        keys[place] = min(bits[place] & UNSIGNED, INFINITE)
    kth = _kth_largest(keys.copy(), k)
    ties = k
    for place in range(len(keys)):
        ties -= keys[place] > kth
    count = 0
    for place in range(len(keys)):
        key = keys[place]
        if key > kth or (key == kth and ties > 0):
            ties -= key == kth
            indices[count] = place
            count += 1


@compiled
def _kth_largest(keys: Indices, k: int) -> np.int64:
    """By Hoare's selection; the keys' order is lost."""
    low, high, wanted = 0, len(keys) - 1, len(keys) - k
    while low < high:
        pivot, up, down = keys[(low + high) // 2], low, high
        while up <= down:
            while keys[up] < pivot:
                up += 1
            while keys[down] > pivot:
                down -= 1
            if up <= down:
                keys[up], keys[down] = keys[down], keys[up]
                up, down = up + 1, down - 1
        if wanted <= down:
            high = down
        elif wanted >= up:
            low = up
        else:
            break
    kth: np.int64 = keys[wanted]
    return kth
