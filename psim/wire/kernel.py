"""`golomb`, compiled, for long lists of indices: the same strings, bit for bit.

A string is made and read in words of 64 bits. Importing this module imports numba; the first call
on a machine takes seconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled, on_disk, ones, trailing_zeros
from psim.wire.golomb import PARAMETERS, Bytes, Code, Indices, code, no_list, not_increasing
from psim.wire.layout import Buffer

Words = NDArray[np.uint64]

BLOCK = 512
"""Gaps that are divided at a time; the results stay in the cache."""
_END = bytes(16)
"""What follows a string: up to the end of its last word, and a word."""

_WORD, _INDEX = np.dtype(np.uint64), np.dtype(np.int64)
_U = np.uint64
_ONE, _TWO, _THREE, _SIX, _LAST, _BITS = _U(1), _U(2), _U(3), _U(6), _U(63), _U(64)
_HALF_WORD = _U(0xFFFFFFFF)
_THIRD = _U(0xAAAAAAAB)
"""⌊h/3⌋ = ⌊h · this / 2^33⌋ for all h below 2^32, in vector instructions."""


def encode(indices: Indices) -> tuple[int, Bytes]:
    """What `golomb.encode` gives. Raises WireError."""
    parameter, string = _encode(indices)
    if parameter < 0:
        raise not_increasing()
    return parameter, string


def write(indices: Indices, chosen: Code) -> Bytes:
    """What `golomb.write` gives. Raises WireError."""
    if not _increase(indices):
        raise not_increasing()
    return _string(indices, *chosen, _length(indices, *chosen))


def decode(body: Buffer, count: int, size: int, chosen: Code) -> Indices:
    """What `golomb.decode` gives. Raises WireError."""
    if 8 * len(body) < chosen.least(count):
        raise no_list(count, size)
    words = np.frombuffer(b"".join((body, _END[len(body) % 8 :])), _WORD)
    indices = np.empty(count, _INDEX)
    end = _read(words, *chosen, size, indices)
    if end < 0 or -(-end // 8) != len(body):
        raise no_list(count, size)
    return indices


def load() -> None:
    """Load what earlier processes have compiled, if they have. Starts no thread."""
    if on_disk(_encode):
        prepare()


def prepare() -> None:
    """Load or compile everything before it is timed. Starts no thread."""
    _, string = encode(np.array([1, 9], dtype=np.int64))
    decode(string.data, 2, 10, code(1))


@compiled
def _encode(indices: Indices) -> tuple[int, Bytes]:
    """The parameter, -1 where they don't increase, and the string: all in one call, as a short list
    takes no longer than some calls do.
    """
    if not _increase(indices):
        return -1, np.zeros(0, dtype=np.uint8)
    parameter, bits = _cheapest(indices)
    width, half = _code(parameter)
    return parameter, _string(indices, width, half, bits)


@compiled
def _cheapest(indices: Indices) -> tuple[int, int]:
    """`golomb.cheapest`."""
    if len(indices) == 0:
        return 0, 0
    gap = (indices[-1] + 1) * 7 // (10 * len(indices))
    start = -3
    while gap > 0:
        start, gap = start + 2, gap >> 1
    start = max(0, start)
    width, half = _code(start)
    bits = _length(indices, width, half)
    higher, fewer = _climb(indices, start, bits, 1)
    return (higher, fewer) if higher > start else _climb(indices, start, bits, -1)


@compiled
def _climb(indices: Indices, parameter: int, bits: int, step: int) -> tuple[int, int]:
    """The parameter, and its bits, from which another step saves nothing."""
    while 0 <= parameter + step < PARAMETERS:
        width, half = _code(parameter + step)
        other = _length(indices, width, half)
        if other >= bits:
            break
        parameter, bits = parameter + step, other
    return parameter, bits


@compiled
def _code(parameter: int) -> tuple[int, int]:
    """`golomb.code`."""
    width = (parameter + 1) // 2
    return width, 1 << width >> 1 if parameter and parameter % 2 == 0 else 0


@compiled
def _string(indices: Indices, width: int, half: int, bits: int) -> Bytes:
    """The string, of so many bits."""
    words = np.zeros(-(-bits // 64) + 1, dtype=np.uint64)
    _fill(words, indices, width, half)
    return words.view(np.uint8)[: -(-bits // 8)]


@compiled
def _increase(indices: Indices) -> bool:
    """Whether they increase strictly from 0 on: gaps below 0 would be written anywhere."""
    later, earlier = indices[1:], indices[:-1]  # from 0 on, so that the loops become vector code
    wrong = 0
    for j in range(len(later)):
        wrong += later[j] <= earlier[j]
    return wrong == 0 and (len(indices) == 0 or indices[0] >= 0)


@compiled
def _length(indices: Indices, width: int, half: int) -> int:
    """Bits of the string; see `golomb`."""
    later, earlier = indices[1:], indices[:-1]
    if len(indices) == 0:
        return 0
    if half == 0:
        more = _U(indices[0]) >> _U(width)
        for j in range(len(later)):
            more += _U(later[j] - earlier[j] - 1) >> _U(width)
        return len(indices) * (width + 1) + int(np.int64(more))
    shift = _U(width - 1)
    more = _third((_U(indices[0]) >> shift) + _TWO)
    for j in range(len(later)):
        more += _third((_U(later[j] - earlier[j] - 1) >> shift) + _TWO)
    return len(indices) * (width + 1) + int(np.int64(more))


@compiled
def _longer(indices: Indices, width: int) -> int:
    """How many remainders take one bit more, where there is a half."""
    later, earlier = indices[1:], indices[:-1]
    shift = _U(width - 1)
    upper = _U(indices[0]) >> shift
    total = np.int64(upper != _THREE * _third(upper))
    for j in range(len(later)):
        upper = _U(later[j] - earlier[j] - 1) >> shift
        total += upper != _THREE * _third(upper)
    return int(total)


@compiled
def _third(number: np.uint64) -> np.uint64:
    """⌊h/3⌋, for h below 2^32."""
    return ((number & _HALF_WORD) * _THIRD) >> _U(33)


@compiled
def _fill(words: Words, indices: Indices, width: int, half: int) -> None:
    """Write the string into words of 0."""
    count = len(indices)
    if count == 0:
        return
    fields, last = 0, count * width
    unary = last + (_longer(indices, width) if half else 0)
    widths = np.full(BLOCK, width, dtype=np.uint64)
    gaps = np.empty(BLOCK, dtype=np.uint64)
    table = np.empty((4, BLOCK), dtype=np.uint64)
    before = -1
    for start in range(0, count, BLOCK):
        part = indices[start : start + BLOCK]
        size = len(part)
        gaps[0] = part[0] - before - 1
        before = part[-1]
        _differences(part, gaps[1:size])
        _divide(gaps[:size], width, half, table)
        fields = _append(words, fields, table[0, :size], widths)
        if half:
            last = _append(words, last, table[1, :size], table[2])
        unary = _mark(words, unary, table[3, :size])


@compiled
def _differences(indices: Indices, gaps: Words) -> None:
    """The gaps between the indices."""
    later, earlier = indices[1:], indices[:-1]
    for j in range(len(gaps)):
        gaps[j] = later[j] - earlier[j] - 1


@compiled
def _divide(gaps: Words, width: int, half: int, table: Words) -> None:
    """Of each gap: the field, the last bit, how many of these it has (0 or 1), the quotient. Last
    bits are there only with a half.
    """
    field, last, longer, quotient = table[0], table[1], table[2], table[3]
    if half == 0:
        for j in range(len(gaps)):
            quotient[j] = gaps[j] >> _U(width)
            field[j] = gaps[j] & ((_ONE << _U(width)) - _ONE)
        return
    shift = _U(width - 1)
    for j in range(len(gaps)):
        upper = gaps[j] >> shift
        whole = _third(upper)
        more = (upper - _THREE * whole + _ONE) >> _ONE  # of the thirds 0, 1, 2 the last two
        shifted = gaps[j] - ((_THREE * whole - more) << shift)
        quotient[j] = whole
        field[j] = shifted >> more
        last[j] = shifted & more
        longer[j] = more


@compiled
def _append(words: Words, place: int, codes: Words, widths: Words) -> int:
    """Write codes of so many bits each from bit ``place`` on; where the next one would be."""
    word, used, filled = place >> 6, _U(place & 63), _U(0)
    for j in range(len(codes)):
        filled |= codes[j] << used
        used += widths[j]
        if used >= _BITS:
            words[word] |= filled
            word += 1
            used -= _BITS
            filled = codes[j] >> (widths[j] - used)
    words[word] |= filled
    return 64 * word + int(np.int64(used))


@compiled
def _mark(words: Words, place: int, zeros: Words) -> int:
    """Write so many zeros and a one, each time, from bit ``place`` on; where the next would be."""
    bit = _U(place)
    word, filled = bit >> _SIX, _U(0)
    for j in range(len(zeros)):
        bit += zeros[j]
        if bit >> _SIX != word:
            words[word] |= filled
            word, filled = bit >> _SIX, _U(0)
        filled |= _ONE << (bit & _LAST)
        bit += _ONE
    words[word] |= filled
    return int(np.int64(bit))


@compiled
def _read(words: Words, width: int, half: int, size: int, indices: Indices) -> int:
    """Read the string into ``indices``; where it ends, or -1 where it has another number of ones or
    an index is not below ``size``.

    It has ``Code.least`` bits at least, and a word follows it.
    """
    _fields(words, width, indices)
    end = len(indices) * width
    if half:
        end = _lasts(words, end, half, indices)
    end = _unary(words, end, (1 << width) + half, indices)
    return -1 if len(indices) and indices[-1] >= size else end


@compiled
def _fields(words: Words, width: int, found: Indices) -> None:
    """The fields, which begin with the first bit."""
    mask, size = (_ONE << _U(width)) - _ONE, _U(width)
    word, unread, left = 0, words[0], _BITS
    for j in range(len(found)):
        field = unread
        if left < size:
            word += 1
            field |= words[word] << left
            unread = words[word] >> (size - left)
            left += _BITS
        else:
            unread >>= size
        left -= size
        found[j] = field & mask


@compiled
def _lasts(words: Words, place: int, half: int, found: Indices) -> int:
    """Fields to remainders: those from the half on have a bit more, from bit ``place`` on."""
    bit = _U(place)
    for j in range(len(found)):
        field = found[j]
        longer = np.int64(field >= half)
        last = np.int64(words[bit >> _SIX] >> (bit & _LAST)) & longer
        found[j] = field + longer * (field - half) + last
        bit += _U(longer)
    return int(np.int64(bit))


@compiled
def _unary(words: Words, place: int, divisor: int, found: Indices) -> int:
    """Remainders to indices, with the quotients from bit ``place`` on; where these end, or -1."""
    first = place >> 6
    base, read, index, zeros = 64 * first - place, 0, -1, 0
    for word in range(first, len(words)):
        unread = words[word]
        if word == first:
            unread &= ~_U(0) << _U(place & 63)
        part = found[read : read + ones(unread)]
        if len(part) < ones(unread):
            return -1
        for j in range(len(part)):
            zeros = base + trailing_zeros(unread) - read - j
            unread &= unread - _ONE
            index += part[j] + 1
            part[j] = index + zeros * divisor
        read += len(part)
        base += 64
    return place + zeros + read if read == len(found) else -1
