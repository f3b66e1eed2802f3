"""The next round's model, recognized by its header as a whole: what most messages to a worker are.

Nothing else is read here, and nothing that `decode` would not take: whatever differs in a byte, or
is too long to come as one frame, is left to that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from psim.vectors import Dense, torch
from psim.wire import buffers
from psim.wire.encode import code_of
from psim.wire.heads import around, number
from psim.wire.layout import DENSE, INLINE, Buffer
from psim.wire.messages import Kind, Packet


class Models:
    """x^t of ``size`` entries of one type, sent to all ranks, in the rounds up to ``rounds``."""

    def __init__(self, size: int, dtype: torch.dtype, rounds: int) -> None:
        self._type = code_of(dtype)
        self._before, after = around(Kind.MODEL, DENSE << 4 | self._type, size)
        self._after = number(0) + after
        self._nbytes, self._rounds = size * dtype.itemsize, rounds

    def read(self, frames: Sequence[Buffer], round: int) -> Packet | None:
        """The message as `decode` reads it, if it is the model of that round; else None."""
        if len(frames) != 1 or self._nbytes > INLINE or round > self._rounds:
            return None
        frame, head = frames[0], b"".join((self._before, number(round), self._after))
        if len(frame) != len(head) + self._nbytes or frame[: len(head)] != head:
            return None
        raw = np.frombuffer(frame, np.uint8, offset=len(head))
        return Packet(Kind.MODEL, round, 0, (Dense(buffers.values(raw, self._type)),))
