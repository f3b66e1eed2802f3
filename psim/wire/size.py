"""What a message weighs, from the lengths of its frames alone.

ZMTP 3.1 puts two bytes before a frame of up to 255 bytes and nine before a longer one (RFC 37);
the identity that ROUTER shows never travels. A connection opens with a greeting of 64 bytes each
way and a READY command.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psim.wire.layout import REPORT, Buffer

SHORT_FRAME = 255
SHORT, LONG = 2, 9
"""What a frame of up to so many bytes has before it, and what a longer one has."""
GREETING = 64
READY = 2 + 6 + (1 + 11 + 4 + 6) + (1 + 8 + 4)
"""A READY command of a DEALER or ROUTER without an identity, 43 B: the frame's two bytes, the name
with its length, Socket-Type with six letters, and an empty Identity (RFC 37)."""
HANDSHAKE = GREETING + READY
"""What each side of a connection sends before its first message (NULL security)."""


def framed(length: int) -> int:
    """Bytes on TCP of one ZeroMQ frame that holds ``length`` bytes."""
    return length + (SHORT if length <= SHORT_FRAME else LONG)


class Size(NamedTuple):
    """Two levels of one message: its serialized bytes, and those with ZMTP framing."""

    payload: int
    framed: int


def measure(frames: Sequence[Buffer]) -> Size:
    """The size of a message of these frames."""
    return Size(sum(map(len, frames)), framed_all(frames))


def framed_all(frames: Sequence[Buffer]) -> int:
    """Bytes on TCP of all frames."""
    total = 0
    for frame in frames:
        length = len(frame)
        total += length + (SHORT if length <= SHORT_FRAME else LONG)
    return total


REPORT_SIZE = Size(REPORT.size, framed(REPORT.size))
"""What the report that ends a MESSAGE weighs."""
