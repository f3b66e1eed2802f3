"""Messages to frames.

A vector message is a msgpack array, then the raw little-endian buffers that it announces: indices
and values, payload by payload. A small message is one frame; in a large one the header and each
buffer have a frame of their own, so that no large buffer is copied. Which of the two follows from
the sizes alone. docs/wire.md states the format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache

import msgpack
import numpy as np

from psim.vectors import Dense, Payload, Sparse, torch
from psim.wire.layout import DENSE, INLINE, SHARED, SPARSE, TYPES, Buffer, Frames, index_width
from psim.wire.messages import PROTOCOL, Control, Packet, Scalar
from psim.wire.size import Size, measure

_INDEX_TYPES = {width: np.dtype(f"<u{width}") for width in (1, 2, 4)}
REPORT = struct.Struct("<d")
"""The trailing frame: seconds of computing."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A message as frames, with its weight. ``report`` is the trailing frame, counted apart."""

    frames: Frames
    size: Size
    report: Buffer | None = None

    def all(self) -> Frames:
        """The frames as they are handed to the transport."""
        return self.frames if self.report is None else [*self.frames, self.report]


def encode(packet: Packet) -> Encoded:
    """The packet's frames. Payloads are on the host; their values have the type that travels."""
    header: list[Scalar] = [PROTOCOL, packet.kind, packet.round, packet.rank, len(packet.payloads)]
    buffers: Frames = []
    for payload in packet.payloads:
        header += _describe(payload)
        buffers += _buffers(payload)
    header += packet.scalars
    head: bytes = msgpack.packb(header)
    frames: Frames = [head]
    if buffers:
        lengths = sum(len(buffer) for buffer in buffers)
        frames = [b"".join([head, *buffers])] if lengths <= INLINE else [head, *buffers]
    report = None if packet.compute is None else REPORT.pack(packet.compute)
    return Encoded(frames, measure(frames), report)


def encode_control(message: Control) -> Encoded:
    """A control message's single frame: [version, kind, fields]."""
    frame: bytes = msgpack.packb([PROTOCOL, message.kind, message.fields])
    return Encoded([frame], measure([frame]))


@cache
def _code(dtype: torch.dtype) -> int:
    return TYPES.index(str(dtype).removeprefix("torch."))


def _describe(payload: Payload) -> list[Scalar]:
    code = _code(payload.values.dtype)
    if isinstance(payload, Dense):
        return [DENSE << 4 | code, payload.size]
    form = SPARSE if isinstance(payload, Sparse) else SHARED
    return [form << 4 | code, payload.size, payload.values.numel()]


def _buffers(payload: Payload) -> Frames:
    values = _raw(payload.values)
    if isinstance(payload, Sparse):
        raw = payload.indices.numpy().astype(_INDEX_TYPES[index_width(payload.size)])
        return [_bytes(raw), values]
    return [values]


def _raw(values: torch.Tensor) -> memoryview:
    """The tensor's memory, uncopied where it is contiguous."""
    if values.dtype == torch.bfloat16:
        values = values.view(torch.int16)
    return _bytes(np.ascontiguousarray(values.numpy()))


def _bytes(array: np.ndarray) -> memoryview:
    return array.data.cast("B") if array.size else memoryview(b"")
