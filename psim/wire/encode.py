"""Messages to frames.

A vector message is a msgpack array, then the raw little-endian buffers that it announces: indices
and values, payload by payload. A small message is one frame; in a large one the header and each
buffer have a frame of their own, so that no large buffer is copied. Which of the two follows from
the sizes alone. docs/wire.md states the format.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import msgpack
import numpy as np

from psim.lowrank import LowRank
from psim.quantized import Quantized
from psim.vectors import Payload, Shared, Sparse, torch
from psim.wire import indices, lowrank, quantized
from psim.wire.indices import Manner
from psim.wire.layout import (
    CODED,
    DENSE,
    INLINE,
    LOW_RANK,
    QUANTIZED,
    REPORT,
    SHARED,
    SPARSE,
    TYPES,
    Buffer,
    Coding,
    Frames,
)
from psim.wire.messages import PROTOCOL, Control, Kind, Packet, Scalar
from psim.wire.size import Size, measure


class Encoded(NamedTuple):
    """A message as frames, with its weight. ``report`` is the frame that ends it, counted apart."""

    frames: Frames
    size: Size
    report: Buffer | None = None

    def all(self) -> Frames:
        """The frames as they are handed to the transport."""
        return self.frames if self.report is None else [*self.frames, self.report]

    def lent(self) -> Frames:
        """The same for a receiver in this process. It can't write to them, and so copies what it
        keeps of the sender's memory.
        """
        return [memoryview(frame).toreadonly() for frame in self.all()]


def encode(packet: Packet, manner: Manner = "auto") -> Encoded:
    """The packet's frames. Payloads are on the host; their values have the type that travels, and
    ``manner`` says how their indices do.
    """
    written = [_write(payload, manner) for payload in packet.payloads]
    buffers = [buffer for one in written for buffer in one.buffers]
    apart = sum(map(len, buffers)) > INLINE
    header: list[Scalar] = [PROTOCOL, packet.kind, packet.round, packet.rank, len(written)]
    for one in written:
        header += one.described(apart)
    head: bytes = msgpack.packb([*header, *packet.scalars])
    frames: Frames = [head, *buffers] if apart else [b"".join([head, *buffers])]
    report = REPORT.pack(packet.compute, packet.loss) if packet.kind is Kind.MESSAGE else None
    return Encoded(frames, measure(frames), report)


def encode_control(message: Control) -> Encoded:
    """A control message's single frame: [version, kind, fields]."""
    frame: bytes = msgpack.packb([PROTOCOL, message.kind, message.fields])
    return Encoded([frame], measure([frame]))


@cache
def code_of(dtype: torch.dtype) -> int:
    """The type's number on the wire."""
    return TYPES.index(str(dtype).removeprefix("torch."))


class _Written(NamedTuple):
    """A payload: its code and how many entries it has, how their indices are coded, what else the
    header says of it, and its buffers.
    """

    fields: list[int]
    coding: Coding | None
    contents: list[int]
    buffers: Frames

    def described(self, apart: bool) -> list[int]:
        """What the header says; ``apart``: each buffer is a frame, which says how long it is."""
        if self.coding is None:
            return self.fields + self.contents
        nbytes = 0 if apart else self.coding.nbytes
        return [*self.fields, self.coding.parameter, nbytes, *self.contents]


def _write(payload: Payload, manner: Manner) -> _Written:
    if isinstance(payload, LowRank):
        code = LOW_RANK << 4 | code_of(payload.values.dtype)
        pieces = _bytes(lowrank.layout(payload))
        return _Written([code], None, lowrank.describe(payload), [pieces, _raw(payload.values)])
    if isinstance(payload, Quantized):
        form, count, floats = QUANTIZED, payload.count, payload.scales
        *lengths, codes = (_bytes(array) for array in quantized.buffers(payload))
        contents, buffers = quantized.describe(payload), [*lengths, _raw(floats), codes]
    else:
        form, count, floats = 0, payload.values.numel(), payload.values
        contents, buffers = [], [_raw(floats)]
    entries, coding, listed = _entries(payload, manner)
    code = form + entries << 4 | code_of(floats.dtype)
    fields = [code] if entries == DENSE else [code, count]
    return _Written(fields, coding, contents, [*listed, *buffers])


def _entries(payload: Payload, manner: Manner) -> tuple[int, Coding | None, Frames]:
    """Which entries of the vector these are, and how their indices travel, if they do."""
    if isinstance(payload, Shared) or (isinstance(payload, Quantized) and payload.shared):
        return SHARED, None, []
    own = payload.indices if isinstance(payload, (Sparse, Quantized)) else None
    if own is None:
        return DENSE, None, []
    coding, listed = indices.write(own, payload.size, manner)
    return SPARSE if coding is None else CODED, coding, [_bytes(listed)]


def _raw(values: torch.Tensor) -> memoryview:
    """The tensor's memory, uncopied where it is contiguous."""
    if values.dtype == torch.bfloat16:
        values = values.view(torch.int16)
    return _bytes(np.ascontiguousarray(values.numpy()))


def _bytes(array: np.ndarray) -> memoryview:
    return array.data.cast("B") if array.size else memoryview(b"")
