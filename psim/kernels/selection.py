"""The entries of large magnitude of a long vector, or of one that is made on the way.

Magnitudes are compared as whole numbers: of two floats without their signs, the larger one has the
larger bits. One pass collects the entries that are large enough, block by block while a block is in
the cache.

For Top-k, a sample says above which magnitude a little more than k entries lie. Among these
candidates the k-th largest is found exactly. The sample decides how long it takes, not what is
found: where there is no more room, as with many equal entries, candidates are thinned out to the
best k; and where there are fewer than k, the pass is made again with a lower limit.

What calls each other stands in one file: numba compiles anew when the file of a function has
changed, not when that of one it calls has.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled, trailing_zeros
from psim.kernels.compare import TOGETHER, reach
from psim.kernels.plain import Floats, Indices

Bits = NDArray[np.signedinteger[Any]]

BLOCK = 2048
"""Entries that are looked at together: they stay in the first-level cache."""
CROWDED = BLOCK // 8
"""After a block with more candidates than this, every entry of the next is written down, and
overwritten where it is none; otherwise the candidates are looked for."""
SCATTERED = BLOCK // 256
"""Up to so many candidates in the block before, of most 64 entries none is one."""
SURE = 2
"""Otherwise, of 64 entries so many are written down in any case, and overwritten where they are no
candidates. Whether there are more is easy for the processor to foresee; how many there are is not,
and to have foreseen it wrongly costs more than that."""
SAMPLED_FROM = 4096
"""Shorter vectors are collected whole."""
SAMPLES = 32768
"""The largest sample."""
NONE, ONE = np.uint64(0), np.uint64(1)

VECTOR, DIFFERENCE, SUM = 0, 1, 2


class Source(NamedTuple):
    """Where entries come from: ``kept`` itself, ``target`` - ``kept``, or ``kept`` + ``factor`` ·
    ``target``, which is left in ``kept``.
    """

    kind: int
    kept: Floats
    target: Floats
    factor: np.floating[Any]


class Room(NamedTuple):
    """Buffers that are used again: the candidates' indices and bits, in order; their magnitudes, in
    no order; counts of these; a block's entries.
    """

    indices: Indices
    bits: Bits
    magnitudes: Bits
    counts: Indices
    block: Floats


class Width(NamedTuple):
    """Of a float type, as whole numbers of its width: all bits but the sign, and infinity."""

    unsigned: np.signedinteger[Any]
    infinite: np.signedinteger[Any]


WIDTHS = {
    np.dtype(np.float32): Width(np.int32(0x7FFF_FFFF), np.int32(0x7F80_0000)),
    np.dtype(np.float64): Width(np.int64(0x7FFF_FFFF_FFFF_FFFF), np.int64(0x7FF0_0000_0000_0000)),
}
_rooms: dict[np.dtype[Any], Room] = {}


def largest(vector: Floats, k: int) -> tuple[Indices, Floats]:
    """As `plain.largest`, for float32 and float64."""
    return _selected(Source(VECTOR, vector, vector, vector.dtype.type(0)), k)


def largest_of_difference(target: Floats, kept: Floats, k: int) -> tuple[Indices, Floats]:
    """As `plain.largest_of_difference`."""
    return _selected(Source(DIFFERENCE, kept, target, kept.dtype.type(0)), k)


def largest_of_sum(kept: Floats, target: Floats, factor: float, k: int) -> tuple[Indices, Floats]:
    """As `plain.largest_of_sum`."""
    return _selected(Source(SUM, kept, target, kept.dtype.type(factor)), k)


def at_least(vector: Floats, threshold: float) -> tuple[Indices, Floats]:
    """As `plain.at_least`."""
    limit = np.abs(vector.dtype.type(threshold))
    width, room = WIDTHS[vector.dtype], _room(vector.dtype, 0)
    least = limit.view(width.unsigned.dtype)
    start = count = 0
    while True:
        start, count = _pass(vector, start, least, room, width, count)
        if start == vector.size:
            return room.indices[:count].copy(), room.bits[:count].view(vector.dtype).copy()
        found, room = room, _room(vector.dtype, count)
        room.indices[:count] = found.indices[:count]
        room.bits[:count] = found.bits[:count]


def _selected(source: Source, k: int) -> tuple[Indices, Floats]:
    size, dtype = source.kept.size, source.kept.dtype
    assert 0 < k <= size == source.target.size, "what is selected is there"
    indices, values = np.empty(k, np.int64), np.empty(k, dtype)
    sample = 0 if size < SAMPLED_FROM else min(max(256, size // 128), SAMPLES)
    _select(source, sample, _room(dtype, k), WIDTHS[dtype], indices, values)
    return indices, values


def _room(dtype: np.dtype[Any], k: int) -> Room:
    """The last call's buffers where they suffice. Twice k candidates: entries equal to the k-th
    largest are then thinned out a few times at most.
    """
    candidates = 2 * k + 4 * BLOCK
    room = _rooms.get(dtype)
    if room is None or room.indices.size < candidates:
        whole = WIDTHS[dtype].unsigned.dtype
        room = _rooms[dtype] = Room(
            np.empty(candidates, np.int64),
            np.empty(candidates, whole),
            np.empty(max(candidates, SAMPLES), whole),
            np.empty(2048, np.int64),
            np.empty(BLOCK, dtype),
        )
    return room


@compiled
def _select(
    source: Source, sample: int, room: Room, width: Width, indices: Indices, values: Floats
) -> None:
    """Fill in the indices and values of the largest, as many as there is place for."""
    k = len(indices)
    expected = sample * (k / len(source.kept))
    rank = int(expected + 4.0 * np.sqrt(expected) + 4.0)  # four standard deviations more
    while True:
        least = room.bits.dtype.type(0)
        if rank < sample:
            least = room.bits.dtype.type(_limit(source, sample, rank, room, width))
        if _collect(source, k, least, room, width) == k:
            break
        rank *= 4
        if source.kind == SUM:  # which is added by now
            source = Source(VECTOR, source.kept, source.target, source.factor)
    indices[:] = room.indices[:k]
    values.view(room.bits.dtype)[:] = room.bits[:k]


@compiled
def _limit(source: Source, sample: int, rank: int, room: Room, width: Width) -> np.int64:
    """The ``rank``-th largest magnitude of a sample: an entry of each of so many equal parts, at a
    place drawn by a linear congruential generator, so that no period of the vector matters.
    """
    part = len(source.kept) // sample
    drawn = np.uint64(1)
    for number in range(sample):
        drawn = drawn * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        place = number * part + np.int64(
            ((drawn >> np.uint64(32)) * np.uint64(part)) >> np.uint64(32)
        )
        kept = source.kept[place]
        if source.kind == DIFFERENCE:
            kept = source.target[place] - kept
        elif source.kind == SUM:
            kept += source.factor * source.target[place]
        room.block[0] = kept
        room.magnitudes[number] = _magnitude(room.block.view(room.bits.dtype)[0], width)
    return _kth_largest(room.magnitudes, sample, rank, room.counts)


@compiled
def _pass(
    vector: Floats,
    start: int,
    least: np.signedinteger[Any],
    room: Room,
    width: Width,
    count: int,
) -> tuple[int, int]:
    """Add the entries of magnitude ``least`` or more, from ``start`` on and as far as there is
    room, to ``count`` of them; how far that was, and how many there are then.
    """
    last = 0
    bits = vector.view(room.bits.dtype)
    whole = len(bits) // BLOCK * BLOCK
    while start < whole:
        if count > len(room.indices) - 2 * BLOCK:
            return start, count
        block = bits[start : start + BLOCK]
        before = count
        count = _append(block, start, least, width, last, room, count)
        last = count - before
        start += BLOCK
    for place in range(whole, len(bits)):
        if _magnitude(bits[place], width) >= least:
            room.indices[count] = place
            room.bits[count] = bits[place]
            count += 1
    return len(bits), count


@compiled
def _collect(source: Source, k: int, least: np.signedinteger[Any], room: Room, width: Width) -> int:
    """Leave the k largest of the entries of magnitude ``least`` or more in the room; how many these
    are, where there are fewer.
    """
    count = last = 0
    lowest = least
    whole = len(source.kept) // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):
        block = _entries(source, start, start + BLOCK, room)
        before = count
        count = _append(block, start, least, width, last, room, count)
        last = count - before
        if count > len(room.indices) - 2 * BLOCK:
            lowest = room.bits.dtype.type(_thin(k, count, lowest, room, width))
            least = room.bits.dtype.type(lowest + 1)  # a later one that equals the k-th loses to it
            count = k
    rest = _entries(source, whole, len(source.kept), room)
    for place in range(len(rest)):
        if _magnitude(rest[place], width) >= least:
            room.indices[count] = whole + place
            room.bits[count] = rest[place]
            count += 1
    if count > k:
        _thin(k, count, lowest, room, width)
        count = k
    return count


@compiled
def _entries(source: Source, start: int, stop: int, room: Room) -> Bits:
    """The bits of the entries from ``start`` on, at most a block."""
    kept = source.kept[start:stop]
    if source.kind == VECTOR:
        return kept.view(room.bits.dtype)
    target = source.target[start:stop]
    if source.kind == SUM:
        for place in range(len(kept)):
            kept[place] += source.factor * target[place]
        return kept.view(room.bits.dtype)
    block = room.block[: stop - start]
    for place in range(len(kept)):
        block[place] = target[place] - kept[place]
    return block.view(room.bits.dtype)


@compiled
def _magnitude(bits: np.signedinteger[Any], width: Width) -> Any:
    """Of an entry; NaN's bits are above infinity's."""
    return min(bits & width.unsigned, width.infinite)


@compiled
def _append(
    block: Bits,
    start: int,
    least: np.signedinteger[Any],
    width: Width,
    last: int,
    room: Room,
    count: int,
) -> int:
    """Add a block's entries of magnitude ``least`` or more to ``count`` candidates; how many there
    are then. The block before had ``last``.
    """
    indices, bits = room.indices, room.bits
    sure = SURE if last > SCATTERED else 0
    for first in range(0, BLOCK, TOGETHER):
        found = reach(block, first, width.unsigned, width.infinite, least)
        if last > CROWDED:
            for place in range(first, first + TOGETHER):
                indices[count] = start + place
                bits[count] = block[place]
                count += int(found & ONE)
                found >>= ONE
            continue
        for _ in range(sure):
            place = first + trailing_zeros(found) % TOGETHER
            indices[count] = start + place
            bits[count] = block[place]
            count += found != NONE
            found &= found - ONE
        while found:
            place = first + trailing_zeros(found)
            indices[count] = start + place
            bits[count] = block[place]
            count += 1
            found &= found - ONE
    return count


@compiled
def _thin(
    k: int, count: int, lowest: np.signedinteger[Any], room: Room, width: Width
) -> np.signedinteger[Any]:
    """Keep the k largest of so many candidates, of equal ones the first; the smallest magnitude
    among them. None is below the ``lowest``, which it often is where many are equal.
    """
    indices, bits, magnitudes = room.indices, room.bits, room.magnitudes
    kth, ties = np.int64(lowest), k - _above(bits, count, lowest, width)
    if ties <= 0:
        for place in range(count):
            magnitudes[place] = _magnitude(bits[place], width)
        kth = _kth_largest(magnitudes, count, k, room.counts)
        ties = k - _above(bits, count, room.bits.dtype.type(kth), width)
    kept = 0
    for place in range(count):
        magnitude = _magnitude(bits[place], width)
        tied = (magnitude == kth) & (ties > 0)
        ties -= tied
        indices[kept] = indices[place]
        bits[kept] = bits[place]
        kept += (magnitude > kth) | tied
    return kth


@compiled
def _above(bits: Bits, count: int, limit: np.signedinteger[Any], width: Width) -> int:
    """How many of the first so many have a magnitude above the limit."""
    found = 0
    for place in range(count):
        found += _magnitude(bits[place], width) > limit
    return found


@compiled
def _kth_largest(keys: Bits, count: int, k: int, counts: Indices) -> np.int64:
    """The k-th largest of the first ``count`` keys, natural numbers, whose order is lost.

    Counts how many fall into each of equal ranges, and goes on with the one that has it: at most
    six times, whatever the keys are.
    """
    while True:
        low = high = np.int64(keys[0])
        for place in range(count):
            low = min(low, keys[place])
            high = max(high, keys[place])
        if low == high:
            return low
        shift = 0
        while (high - low) >> shift >= len(counts):
            shift += 1
        counts[:] = 0
        for place in range(count):
            counts[(keys[place] - low) >> shift] += 1
        chosen = (high - low) >> shift
        while counts[chosen] < k:
            k -= counts[chosen]
            chosen -= 1
        if shift == 0:
            return low + chosen
        kept = 0
        for place in range(count):
            key = keys[place]
            keys[kept] = key
            kept += (key - low) >> shift == chosen
        count = kept
