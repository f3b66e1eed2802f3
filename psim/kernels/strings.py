"""Strings of codes, made and read part after part, so that the codes of a long vector are never in
memory beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np

from psim.kernels import bits
from psim.kernels.bits import Bytes, Codes

PART = 1 << 15
"""Codes that are made or read together: they stay in the second-level cache."""


def starts(count: int) -> Iterator[tuple[int, int]]:
    """Where parts of so many entries begin, and how long each is."""
    return ((start, min(PART, count - start)) for start in range(0, count, PART))


def written(count: int, width: int, write: Callable[[int, Codes], None]) -> Bytes:
    """The string of so many codes: ``write`` fills in those from a place on."""
    body = np.zeros(-(-count * width // 8), np.uint8)
    codes = np.empty(min(count, PART), np.int32)
    for start, length in starts(count):
        own = codes[:length]
        write(start, own)
        bits.pack(own, width, body, start)
    return body


def joined(count: int, width: int, pieces: Iterable[Iterable[tuple[int, Codes]]]) -> Bytes:
    """The string of ``count`` codes, which come one after another: several vectors', each part
    after part.
    """
    body, place = np.zeros(-(-count * width // 8), np.uint8), 0
    for _, codes in chain.from_iterable(pieces):
        if codes.size:
            bits.pack(codes, width, body, place)
        place += codes.size
    return body


def read(body: Bytes, count: int, width: int, signed: bool) -> Iterator[tuple[int, Codes]]:
    """Each part's place and codes, in a buffer that is used again."""
    codes = np.empty(min(count, PART), np.int32)
    for start, length in starts(count):
        own = codes[:length]
        bits.unpack(body, width, start, signed, own)
        yield start, own
