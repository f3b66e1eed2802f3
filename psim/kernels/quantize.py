"""Codes of the entries of a long vector, some at a time: what `psim.compressors.grid`, `natural`
and the signs say in torch, to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled
from psim.kernels.plain import Floats

Codes = NDArray[np.int32]
Doubles = NDArray[np.float64]

MANTISSA = np.int64(0x000F_FFFF_FFFF_FFFF)
"""Of a float64: the lower 52 bits; the exponent is above them, its bias below."""
BIAS = 1022
"""Such that the rest is between 1/2 and 1."""


@compiled
def signs(vector: Floats, of_nan: int, codes: Codes) -> Any:
    """1 for what is not below 0, and ``of_nan`` for what is no number; how many are 1."""
    ones = np.int32(0)
    for place in range(len(codes)):
        value = vector[place]
        code = np.int32(value >= 0) + np.int32(of_nan) * np.int32(np.isnan(value))
        codes[place] = code
        ones += code
    return ones


@compiled
def nearest(vector: Floats, factor: float, unit: float, codes: Codes) -> None:
    """v · factor / unit, rounded, halves to even."""
    for place in range(len(codes)):
        codes[place] = np.rint(np.float64(vector[place]) * factor / unit)


@compiled
def neighbours(
    vector: Floats,
    first: int,
    length: int,
    units: Doubles,
    draws: Doubles,
    most: float,
    codes: Codes,
) -> Any:
    """v/unit rounded to a neighbour by the draws, within ±most, and 0 where it is no number or
    infinite; the largest magnitude among them. ``first`` is the first entry's place in its vector,
    of which every ``length`` entries have a unit.
    """
    top = np.int32(0)
    place = 0
    while place < len(codes):
        row = (first + place) // length
        stop = min(len(codes), (row + 1) * length - first)
        own, found = vector[place:stop], codes[place:stop]
        top = max(top, _neighbours(own, units[row], draws[place:stop], most, found))
        place = stop
    return top


@compiled
def _neighbours(vector: Floats, unit: float, draws: Doubles, most: float, codes: Codes) -> Any:
    top = np.int32(0)
    for place in range(len(codes)):
        ratio = np.float64(vector[place]) / unit
        size = abs(ratio) if abs(ratio) < np.inf else 0.0
        lower = np.floor(size)
        code = np.int32(min(lower + np.float64(draws[place] < size - lower), most))
        codes[place] = -code if ratio < 0 else code
        top = max(top, code)
    return top


@compiled
def exponents(
    vector: Floats, top: int, most: int, last: int, draws: Doubles, powers: Doubles, codes: Codes
) -> bool:
    """The codes of powers of two counted down from 2^top, ``last`` of them; entries are finite, and
    rounded to 2^most at most. Whether one has 2^top, without which the codes mean nothing.
    ``powers`` are 2^0, 2^-1, ….
    """
    reached = False
    wide = np.empty(len(codes))
    for place in range(len(codes)):
        wide[place] = abs(np.float64(vector[place]))
    bits = wide.view(np.int64)
    for place in range(len(codes)):
        shift = 0
        if bits[place] >> 52 == 0 and bits[place] > 0:  # it lacks digits, and may have them
            wide[place] *= 2.0**200
            shift = 200
        exponent = (bits[place] >> 52) - BIAS - shift
        share = np.float64(bits[place] & MANTISSA) * 2.0**-52  # of the way to the next power
        depth = top - last - exponent
        power = min(exponent - 1 + np.int64(draws[place] < share), most)
        code = top - power
        if wide[place] == 0.0:
            code = last + 1
        elif depth >= 0:
            rest = (0.5 + 0.5 * share) * powers[min(depth, len(powers) - 1)]
            code = last + np.int64(draws[place] >= rest)
        else:
            reached |= power == top
        codes[place] = code + 256 * np.int64(vector[place] < 0)
    return reached
