"""What messages weigh that differ from one another in the rank alone, without encoding them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.wire.encode import Encoded
from psim.wire.indices import TINY, Manner
from psim.wire.layout import index_width
from psim.wire.size import LONG, SHORT, SHORT_FRAME, framed

Integers = NDArray[np.int64]


class Sizes(NamedTuple):
    """`size.Size` of many messages: one number each."""

    payload: Integers
    framed: Integers


def sizes_like(message: Encoded, rank: int, ranks: Integers) -> Sizes:
    """Of messages that are as this one of ``rank`` is, but for the rank: a msgpack integer in the
    header, which stands in the first frame.
    """
    first = len(message.frames[0])
    lengths = first + _width(ranks) - _width(np.array([rank]))
    others = message.size.framed - framed(first)
    return Sizes(message.size.payload - first + lengths, framed_each(lengths) + others)


def framed_each(lengths: Integers) -> Integers:
    """`size.framed` of each."""
    each: Integers = lengths + np.where(lengths <= SHORT_FRAME, SHORT, LONG)
    return each


def same_length(count: int, size: int, manner: Manner) -> bool:
    """Whether ``count`` indices below ``size`` take as many bytes whatever they are: raw ones."""
    return manner == "raw" or (manner == "auto" and count * index_width(size) <= TINY)


def _width(ranks: Integers) -> Integers:
    """Bytes of msgpack's shortest form of natural numbers below 2^32."""
    return 1 + (ranks > 0x7F) + (ranks > 0xFF) + 2 * (ranks > 0xFFFF)
