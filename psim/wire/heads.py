"""Headers of messages with one payload, as bytes around what differs from one to the next."""

from __future__ import annotations

from functools import cache

import msgpack

from psim.wire.messages import PROTOCOL, Kind

ONE_BYTE = 1 << 7
"""Numbers below it take msgpack one byte."""


@cache
def around(kind: Kind, *payload: int) -> tuple[bytes, bytes]:
    """What such a header has before its round, and what after its rank; ``payload`` is what it says
    of that.
    """
    after = b"".join(map(msgpack.packb, (1, *payload)))
    whole: bytes = msgpack.packb([PROTOCOL, kind, 0, 0, 1, *payload])
    return whole[: -len(after) - 2], after  # a round and a rank of 0 are a byte each


def number(value: int) -> bytes:
    """A round or a rank, as msgpack has it, without a call of it in each round."""
    if value < ONE_BYTE:
        return value.to_bytes(1)
    if value < 1 << 8:
        return b"\xcc" + value.to_bytes(1)
    if value < 1 << 16:
        return b"\xcd" + value.to_bytes(2)
    return b"\xce" + value.to_bytes(4)
