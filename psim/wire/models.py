"""The next round's model, recognized by its header as a whole: what most messages to a worker are.

Nothing else is read here, and nothing that `decode` would not take: whatever differs in a byte, or
is too long to come as one frame, is left to that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from psim.tables import BFLOAT16
from psim.vectors import Dense, torch
from psim.wire import buffers
from psim.wire.encode import code_of
from psim.wire.heads import around, number
from psim.wire.layout import DENSE, INLINE, TYPES, Buffer
from psim.wire.messages import Kind, Packet


class Models:
    """x^t of ``size`` entries of one type, sent to all ranks, in the rounds up to ``rounds``."""

    def __init__(self, size: int, dtype: torch.dtype, rounds: int) -> None:
        self._type = code_of(dtype)
        self._numeric = TYPES[self._type] != BFLOAT16
        self._before, after = around(Kind.MODEL, DENSE << 4 | self._type)
        self._after = number(0) + after
        self._nbytes, self._rounds = size * dtype.itemsize, rounds

    def read(self, frames: Sequence[Buffer], round: int) -> Packet | None:
        """The message as `decode` reads it, if it is the model of that round; else None."""
        raw = self._body(frames, round)
        if raw is None:
            return None
        return Packet(Kind.MODEL, round, 0, (Dense(buffers.values(raw, self._type)),))

    def numbers(self, frames: Sequence[Buffer], round: int) -> NDArray[np.floating] | None:
        """Its values alone, in the frame's memory. None also where numpy has no such type."""
        raw = self._body(frames, round) if self._numeric else None
        return None if raw is None else raw.view(buffers.VALUE_TYPES[self._type])

    def _body(self, frames: Sequence[Buffer], round: int) -> buffers.Bytes | None:
        if len(frames) != 1 or self._nbytes > INLINE or round > self._rounds:
            return None
        frame, head = frames[0], self._before + number(round) + self._after
        if len(frame) != len(head) + self._nbytes or frame[: len(head)] != head:
            return None
        return np.frombuffer(frame, np.uint8, offset=len(head))
