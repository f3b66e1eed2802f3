"""Quantizing long vectors on the host: the codes that `psim.compressors.grid`, `natural` and the
signs say, by compiled code, as the string that travels.

A vector is read once for its codes, part after part, and once or twice before that where its norm,
its largest magnitude or its mean must be known first. Nothing of its length is made but the string.
"""

from __future__ import annotations

from collections.abc import Callable
from math import frexp

import numpy as np
from numpy.typing import NDArray

from psim.kernels import norms, quantize, strings
from psim.kernels.bits import Bytes, Codes
from psim.kernels.philox import Stream
from psim.kernels.plain import Floats

Doubles = NDArray[np.float64]


def signs(vector: Floats, of_nan: int) -> tuple[Bytes, int]:
    """1 for what is not below 0, and ``of_nan`` for what is no number; how many are 1."""
    ones = 0

    def write(start: int, codes: Codes) -> None:
        nonlocal ones
        ones += quantize.signs(vector[start : start + codes.size], of_nan, codes)

    return strings.written(vector.size, 1, write), ones


def stochastic(
    vector: Floats,
    units: Doubles,
    length: int,
    generator: np.random.Generator,
    most: int,
    width: int,
) -> tuple[Bytes, int]:
    """`grid.stochastic_codes` with a unit for every ``length`` entries; the largest magnitude of a
    code.
    """
    stream, draws, top = Stream(generator), np.empty(min(vector.size, strings.PART)), 0

    def write(start: int, codes: Codes) -> None:
        nonlocal top
        own = draws[: codes.size]
        stream.fill(own)
        part = vector[start : start + codes.size]
        top = max(top, quantize.neighbours(part, start, length, units, own, float(most), codes))

    return strings.written(vector.size, width, write), top


def nearest(vector: Floats, factor: float, unit: float, width: int) -> Bytes:
    """v · factor / unit rounded, halves to even."""

    def write(start: int, codes: Codes) -> None:
        quantize.nearest(vector[start : start + codes.size], factor, unit, codes)

    return strings.written(vector.size, width, write)


def narrowed(body: Bytes, count: int, width: int, narrower: int) -> Bytes:
    """The string of the same codes, signed, in fewer bits."""
    return strings.joined(count, narrower, [strings.read(body, count, width, signed=True)])


def exponents(
    vector: Floats,
    generator: Callable[[], np.random.Generator],
    most: int,
    last: int,
    width: int,
    powers: Doubles,
) -> tuple[int, Bytes] | None:
    """The exponent of the largest power, and the codes of natural compression; None where an entry
    is not finite, or all are 0. ``most`` is the largest power's exponent that is a float.
    """
    largest = norms.largest(vector, vector.size)[0]
    if not 0.0 < largest < np.inf:
        return None
    # An entry that is rounded up nearly always has the largest power. Where none has, the next one
    # below is there, and the codes are counted from that.
    above = frexp(largest)[1]
    for top in (min(above, most), above - 1):
        body, reached = _counted_from(top, vector, generator(), most, last, width, powers)
        if reached:
            break
    return top, body


def _counted_from(
    top: int,
    vector: Floats,
    generator: np.random.Generator,
    most: int,
    last: int,
    width: int,
    powers: Doubles,
) -> tuple[Bytes, bool]:
    """The codes, if the largest power is 2^top, and whether it is."""
    stream, draws = Stream(generator), np.empty(min(vector.size, strings.PART))
    reached = False

    def write(start: int, codes: Codes) -> None:
        nonlocal reached
        own = draws[: codes.size]
        stream.fill(own)
        part = vector[start : start + codes.size]
        reached |= quantize.exponents(part, top, most, last, own, powers, codes)

    return strings.written(vector.size, width, write), reached
