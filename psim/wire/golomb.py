"""Golomb's code of increasing indices, near the entropy bound log2 C(d, k).

An index i_j is coded as its gap i_j - i_(j-1) - 1, with i_(-1) = -1. Gaps of uniform positions are
geometric, and the best code of these is Golomb's: with a divisor M the quotient in unary, the
remainder in truncated binary (S. Golomb, Run-length encodings, 1966; R. Gallager and D. van
Voorhis, Optimal source codes for geometrically distributed integer alphabets, 1975). M here is 2^w,
as in Rice's codes, or 3·2^(w-1). With the powers of two alone, messages of k/d <= 4 % take up to
1.9 % more than the bound, with both 0.9 %. M = 1 is the bitmap of the entries.

One string of bits holds, for all gaps, w bits of each remainder, then the last bit of those that
have one more, then the quotients: so many zeros and a one each. Bits are in the order of `bits`.

This is the plain version; `kernel` is the same, compiled. Indices are int64, shape (k,).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.errors import WireError
from psim.wire.layout import Buffer

Indices = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Bits = NDArray[np.uint8]

PARAMETERS = 63
"""Parameters 0 to 62: M = 1, 2, 3, 4, 6, 8, 12, …, 2^31, 3·2^30."""


class Code(NamedTuple):
    """The code with M = 2^width + half; ``half`` is 2^(width-1) where M is 3·2^(width-1), else 0.

    A remainder r takes ``width`` bits. With a half, those below it are written as they are; from
    the others' r + half the upper bits are, and the lowest is the one that follows.
    """

    width: int
    half: int

    @property
    def divisor(self) -> int:
        """M."""
        return (1 << self.width) + self.half

    def least(self, count: int) -> int:
        """Bits of ``count`` gaps of 0: no list of so many indices takes fewer."""
        return count * (self.width + 1)

    def most(self, count: int, size: int) -> int:
        """Bits that no list of ``count`` indices below ``size`` exceeds."""
        return self.least(count) + count * (self.half > 0) + (size - count) // self.divisor


@cache
def code(parameter: int) -> Code:
    """The code of a parameter: M = 2^((p + 1)/2) for odd p, 3·2^(p/2 - 1) for even p, 1 for 0."""
    width = (parameter + 1) // 2
    return Code(width, 1 << width >> 1 if parameter and parameter % 2 == 0 else 0)


def cheapest(indices: Indices, length: Callable[[Code], int]) -> tuple[int, int]:
    """The parameter to code the indices with, and the bits that they take then; ``length`` gives
    those of any code.

    Uniform positions are best with M near ln 2 times the mean gap. From there on the parameter
    goes up, or down, for as long as that saves bits.
    """
    if not indices.size:
        return 0, 0
    gap = (int(indices[-1]) + 1) * 7 // (10 * indices.size)
    start = max(0, 2 * gap.bit_length() - 3)
    bits = length(code(start))
    higher, fewer = _climb(start, bits, 1, length)
    return (higher, fewer) if higher > start else _climb(start, bits, -1, length)


def _climb(parameter: int, bits: int, step: int, length: Callable[[Code], int]) -> tuple[int, int]:
    """The parameter, and its bits, from which another step saves nothing."""
    while 0 <= parameter + step < PARAMETERS:
        other = length(code(parameter + step))
        if other >= bits:
            break
        parameter, bits = parameter + step, other
    return parameter, bits


def encode(indices: Indices) -> tuple[int, Bytes]:
    """The parameter chosen, and the string. Raises WireError where the indices don't increase."""
    gaps = _gaps(indices)
    parameter, _ = cheapest(indices, lambda each: _length(gaps, each))
    return parameter, write(indices, code(parameter))


def write(indices: Indices, chosen: Code) -> Bytes:
    """The string of this code. Raises WireError where the indices don't increase."""
    width, half = chosen
    quotients, remainders = np.divmod(_gaps(indices), chosen.divisor)
    longer = (remainders >= half) & (half > 0)
    shifted = remainders[longer] + half
    remainders[longer] = shifted >> 1
    fields = (remainders[:, None] >> np.arange(width)) & 1
    ones = quotients + 1
    unary = np.zeros(ones.sum(), dtype=np.uint8)
    unary[ones.cumsum() - 1] = 1
    string = np.concatenate([fields.ravel(), shifted & 1, unary])
    return np.packbits(string.astype(np.uint8), bitorder="little")


def decode(body: Buffer, count: int, size: int, chosen: Code) -> Indices:
    """The ``count`` indices that all bytes of ``body`` are the string of.

    Raises WireError where they are not, and where an index is not below ``size``.
    """
    width, half = chosen
    string = np.unpackbits(np.frombuffer(body, dtype=np.uint8), bitorder="little")
    if string.size < chosen.least(count):
        raise no_list(count, size)
    end = count * width
    fields = string[:end].reshape(count, width).astype(np.int64)
    remainders = fields @ (1 << np.arange(width, dtype=np.int64))
    longer = (remainders >= half) & (half > 0)
    last = string[end : end + np.count_nonzero(longer)]
    end += last.size
    ones = np.flatnonzero(string[end:])
    end += int(ones[-1]) + 1 if ones.size else 0
    if ones.size != count or -(-end // 8) != len(body):
        raise no_list(count, size)
    remainders[longer] = 2 * remainders[longer] - half + last
    quotients = np.diff(ones, prepend=-1) - 1
    indices: Indices = (quotients * chosen.divisor + remainders + 1).cumsum() - 1
    if count and indices[-1] >= size:
        raise no_list(count, size)
    return indices


def not_increasing() -> WireError:
    """The error of indices that have no gaps."""
    return WireError("indices to be sent that do not increase strictly from 0 on")


def no_list(count: int, size: int) -> WireError:
    """The error of a string that is none."""
    return WireError(f"a string of bits that is no list of {count} indices below {size}")


def _gaps(indices: Indices) -> Indices:
    gaps: Indices = np.diff(indices, prepend=-1) - 1
    if (gaps < 0).any():
        raise not_increasing()
    return gaps


def _length(gaps: Indices, chosen: Code) -> int:
    """Bits of the string. With h = ⌊gap / half⌋, a quotient is ⌊h/3⌋, and the last bit of the
    remainder is there where h is no multiple of 3: ⌊(h + 2)/3⌋ in all.
    """
    more = (gaps // chosen.half + 2) // 3 if chosen.half else gaps >> chosen.width
    return chosen.least(gaps.size) + int(more.sum())
