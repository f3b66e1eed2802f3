"""The values of some codes of a long vector: what `psim.quantized` says in torch, to the bit.

``first`` is the first code's place in its vector and ``row`` its block; the blocks end at ``ends``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled
from psim.kernels.plain import Floats, Indices

Codes = NDArray[np.int32]


@compiled
def uniform(
    codes: Codes, first: int, row: int, ends: Indices, scales: Floats, values: Floats
) -> None:
    """Scale times code."""
    place = 0
    while place < len(codes):
        stop, scale = min(len(codes), ends[row] - first), scales[row]
        own, found = codes[place:stop], values[place:stop]
        for here in range(len(own)):
            found[here] = scale * values.dtype.type(own[here])
        place, row = stop, row + 1


@compiled
def of_two(
    codes: Codes, first: int, row: int, ends: Indices, scales: Floats, values: Floats
) -> None:
    """The first of the block's two scales, or the second where the code is 1."""
    place = 0
    while place < len(codes):
        stop = min(len(codes), ends[row] - first)
        low, high = scales[2 * row], scales[2 * row + 1]
        own, found = codes[place:stop], values[place:stop]
        for here in range(len(own)):
            found[here] = high if own[here] == 1 else low
        place, row = stop, row + 1


@compiled
def exponents(
    codes: Codes,
    first: int,
    row: int,
    ends: Indices,
    scales: NDArray[np.float64],
    powers: NDArray[np.float64],
    values: Floats,
) -> None:
    """Scale times the power whose number is in the lower 8 bits, with the sign of the ninth."""
    place = 0
    while place < len(codes):
        stop, scale = min(len(codes), ends[row] - first), scales[row]
        own, found = codes[place:stop], values[place:stop]
        for here in range(len(own)):
            value = scale * powers[own[here] & 255]
            found[here] = values.dtype.type(-value if own[here] >= 256 else value)
        place, row = stop, row + 1
