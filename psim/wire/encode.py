"""Messages to frames.

A vector message is a msgpack array, then the raw little-endian buffers that it announces: indices
and values, payload by payload. A small message is one frame; in a large one the header and each
buffer have a frame of their own, so that no large buffer is copied. Which of the two follows from
the sizes alone. docs/wire.md states the format.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import msgpack
import numpy as np

from psim.lowrank import LowRank
from psim.quantized import Quantized
from psim.vectors import Dense, Payload, Sparse, torch
from psim.wire import indices, lowrank, quantized
from psim.wire.indices import Manner
from psim.wire.layout import (
    DENSE,
    INLINE,
    LOW_RANK,
    QUANTIZED,
    QUANTIZED_CODED,
    REPORT,
    SHARED,
    SPARSE,
    SPARSE_CODED,
    TYPES,
    Buffer,
    Frames,
)
from psim.wire.messages import PROTOCOL, Control, Kind, Packet, Scalar
from psim.wire.size import Size, measure


@dataclass(frozen=True, slots=True)
class Encoded:
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
    header: list[Scalar] = [PROTOCOL, packet.kind, packet.round, packet.rank, len(packet.payloads)]
    buffers: Frames = []
    for payload in packet.payloads:
        described, written = _write(payload, manner)
        header += described
        buffers += written
    header += packet.scalars
    head: bytes = msgpack.packb(header)
    frames: Frames = [head]
    if buffers:
        lengths = sum(len(buffer) for buffer in buffers)
        frames = [b"".join([head, *buffers])] if lengths <= INLINE else [head, *buffers]
    report = REPORT.pack(packet.compute, packet.loss) if packet.kind is Kind.MESSAGE else None
    return Encoded(frames, measure(frames), report)


def together(messages: Iterable[Encoded]) -> Frames:
    """Several messages of one host as one ZeroMQ message: their frames one after another."""
    return [frame for message in messages for frame in message.all()]


def encode_control(message: Control) -> Encoded:
    """A control message's single frame: [version, kind, fields]."""
    frame: bytes = msgpack.packb([PROTOCOL, message.kind, message.fields])
    return Encoded([frame], measure([frame]))


@cache
def code_of(dtype: torch.dtype) -> int:
    """The type's number on the wire."""
    return TYPES.index(str(dtype).removeprefix("torch."))


def _write(payload: Payload, manner: Manner) -> tuple[list[int], Frames]:
    """What the header says of a payload, and its buffers."""
    if isinstance(payload, Quantized):
        return _of_codes(payload, manner)
    code, values = code_of(payload.values.dtype), _raw(payload.values)
    if isinstance(payload, LowRank):
        pieces = _bytes(lowrank.layout(payload))
        return [LOW_RANK << 4 | code, *lowrank.describe(payload)], [pieces, values]
    if isinstance(payload, Dense):
        return [DENSE << 4 | code, payload.size], [values]
    described = [payload.size, payload.values.numel()]
    if not isinstance(payload, Sparse):
        return [SHARED << 4 | code, *described], [values]
    coding, listed = indices.write(payload.indices, payload.size, manner)
    if coding is None:
        return [SPARSE << 4 | code, *described], [_bytes(listed), values]
    return [SPARSE_CODED << 4 | code, *described, *coding], [_bytes(listed), values]


def _of_codes(payload: Quantized, manner: Manner) -> tuple[list[int], Frames]:
    """The same of codes: indices and lengths, where they travel, scales and codes."""
    code, described = code_of(payload.scales.dtype), quantized.describe(payload)
    *lengths, codes = (_bytes(array) for array in quantized.buffers(payload))
    written: Frames = [*lengths, _raw(payload.scales), codes]
    if payload.indices is None or payload.shared:
        return [QUANTIZED << 4 | code, *described], written
    coding, listed = indices.write(payload.indices, payload.size, manner)
    written = [_bytes(listed), *written]
    if coding is None:
        return [QUANTIZED << 4 | code, *described], written
    return [QUANTIZED_CODED << 4 | code, *described, *coding], written


def _raw(values: torch.Tensor) -> memoryview:
    """The tensor's memory, uncopied where it is contiguous."""
    if values.dtype == torch.bfloat16:
        values = values.view(torch.int16)
    return _bytes(np.ascontiguousarray(values.numpy()))


def _bytes(array: np.ndarray) -> memoryview:
    return array.data.cast("B") if array.size else memoryview(b"")
