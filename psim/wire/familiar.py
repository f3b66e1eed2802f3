"""A message's header, recognized by the last one: most differ in the round and the rank alone."""

from __future__ import annotations

from psim.wire.alike import Header
from psim.wire.heads import ONE_BYTE, number
from psim.wire.layout import Buffer

ARRAY_16 = 0xDC
"""How an array of more than 15 elements begins; a shorter one's first byte is below."""


class Familiar:
    """The last header that was read, as bytes around its round and rank."""

    def __init__(self) -> None:
        self._before, self._after = b"", b""
        self._header: Header | None = None

    def read(self, frame: Buffer, round: int) -> Header | None:
        """The frame's header, where it is the last one but for the round, this one, and the rank,
        one of a byte. None where it is not.
        """
        if self._header is None:
            return None
        before = self._before + number(round)
        start = len(before)
        length = start + 1 + len(self._after)
        known = frame[:start] == before and frame[start + 1 : length] == self._after
        if not known or frame[start] >= ONE_BYTE:
            return None
        return self._header._replace(round=round, rank=frame[start], length=length)

    def remember(self, frame: Buffer, header: Header) -> None:
        """This header was read in the frame. It is forgotten where it is no plain one."""
        head = bytes(frame[: header.length])
        place = 3 if head[0] < ARRAY_16 else 5  # behind the array's head, version and kind
        around = number(header.round) + number(header.rank)
        plain = head[place:].startswith(around) and header.rank < ONE_BYTE
        self._header = header if plain else None
        self._before, self._after = head[:place], head[place + len(around) :]
