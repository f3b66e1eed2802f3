"""Frames to messages.

Nothing is trusted: every length follows from the header and from what the receiver expects, and is
checked before anything is allocated. Whatever is wrong is a WireError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import msgpack
import numpy as np

from psim.errors import VersionError, WireError
from psim.vectors import Dense, Payload, Shared, Sparse, torch
from psim.wire.encode import REPORT
from psim.wire.layout import (
    DENSE,
    INLINE,
    LARGEST_CONTROL,
    LARGEST_HEADER,
    LARGEST_SCALARS,
    SHARED,
    SPARSE,
    TYPES,
    Buffer,
    Shape,
    index_width,
)
from psim.wire.messages import PROTOCOL, VECTOR_KINDS, Control, Field, Kind, Packet, Scalar
from psim.wire.size import Size, measure


@dataclass(frozen=True, slots=True)
class Expected:
    """What a receiver is ready to take: vectors of ``size`` entries."""

    size: int
    workers: int
    rounds: int
    payloads: int = 1


_KINDS = {int(kind): kind for kind in Kind}
_INDEX_TYPES = {width: np.dtype(f"<u{width}") for width in (1, 2, 4)}
_VALUE_TYPES = tuple(np.dtype("<i2" if name == "bfloat16" else name) for name in TYPES)


def kind_of(frames: Sequence[Buffer]) -> Kind:
    """The kind of a message, before the rest of it is looked at. Raises WireError."""
    head = bytes(frames[0][:5]) if frames else b""
    start = 1 if head[:1] and 0x93 <= head[0] <= 0x9F else 3  # fixarray, or array 16
    if len(head) < start + 2 or (start == 3 and head[0] != 0xDC):
        raise WireError("a frame that is no psim message")
    version, kind = head[start], head[start + 1]
    if version != PROTOCOL:
        raise VersionError(
            f"protocol version {version}: this psim speaks version {PROTOCOL}: install the same "
            "psim on all machines"
        )
    found = _KINDS.get(kind)
    if found is None:
        raise WireError(f"a message of unknown kind {kind}")
    return found


def decode_control(frames: Sequence[Buffer]) -> Control:
    """The control message in ``frames``. Raises WireError."""
    if len(frames) != 1 or len(frames[0]) > LARGEST_CONTROL:
        raise WireError("a control message is one frame of bounded size")
    fields = _unpack(frames[0])
    content = fields[2] if len(fields) == 3 else None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise WireError("a control message is [version, kind, fields]")
    return Control(kind_of(frames), content)


def decode(frames: Sequence[Buffer], expected: Expected) -> tuple[Packet, Size]:
    """The vector message in ``frames`` and its size, report apart. Raises WireError.

    Small buffers are copied out of the frame; large ones are views of the frames.
    """
    kind = kind_of(frames)
    if kind not in VECTOR_KINDS:
        raise WireError(f"a {kind.name} message where a vector message was expected")
    header, used = _header(frames[0])
    _, _, round, rank, count = _integers(header[:5])
    if round > expected.rounds or rank > expected.workers or count > expected.payloads:
        raise _beyond(expected, round, rank, count)
    shapes, scalars = _shapes(header[5:], count, expected.size)
    lengths = [length for shape in shapes for length in shape.lengths]
    body, report = _split(frames, used, lengths)
    payloads = tuple(_payload(shape, body) for shape in shapes)
    compute = None if report is None else _seconds(report)
    taken = frames if report is None else frames[:-1]
    size = measure(taken)
    return Packet(kind, round, rank, payloads, scalars, compute), size


def _beyond(expected: Expected, round: int, rank: int, count: int) -> WireError:
    """The error that names the first field beyond its limit."""
    limits = {"round": (round, expected.rounds), "rank": (rank, expected.workers)}
    limits["number of payloads"] = (count, expected.payloads)
    what, value, largest = next((k, v, most) for k, (v, most) in limits.items() if v > most)
    return WireError(f"{what} {value}: at most {largest} was expected")


def _unpack(frame: Buffer) -> list[Field]:
    try:  # what it allocates is bounded by the frame's own length
        value = msgpack.unpackb(frame, raw=False, strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise WireError(f"not msgpack: {error}") from None
    if not isinstance(value, list):
        raise WireError("a message is a msgpack array")
    return value


def _header(frame: Buffer) -> tuple[list[Field], int]:
    """The leading msgpack array of a frame, and how many bytes it takes."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=LARGEST_HEADER)
    unpacker.feed(frame[:LARGEST_HEADER])
    try:
        header = unpacker.unpack()
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise WireError(f"a header that is not msgpack: {error}") from None
    if not isinstance(header, list) or len(header) < 5:
        raise WireError("a header is an array of at least five elements")
    return header, unpacker.tell()


def _integers(values: Sequence[Field]) -> list[int]:
    for value in values:
        if type(value) is not int or value < 0:
            raise WireError("a header field that is no natural number")
    return values  # type: ignore[return-value]


def _shapes(fields: list[Field], count: int, size: int) -> tuple[list[Shape], tuple[Scalar, ...]]:
    shapes = []
    for _ in range(count):
        (code,) = _integers(fields[:1]) or [255]
        form, type_code = code >> 4, code & 15
        if form > SHARED or type_code >= len(TYPES):
            raise WireError(f"a payload of unknown form {code}")
        length = 2 if form == DENSE else 3
        shape = _integers(fields[1:length])
        if len(shape) != length - 1 or shape[0] != size or shape[-1] > size:
            raise WireError(f"a payload of shape {shape}: vectors here have {size} entries")
        shapes.append(Shape(form, type_code, size, shape[-1]))
        fields = fields[length:]
    if len(fields) > LARGEST_SCALARS or not all(type(f) in (bool, int, float) for f in fields):
        raise WireError("a header ends in a few plain scalars")
    return shapes, tuple(fields)  # type: ignore[arg-type]


def _split(
    frames: Sequence[Buffer], used: int, lengths: list[int]
) -> tuple[list[memoryview], Buffer | None]:
    """The buffers that the header announces, in order, and the trailing report, if there is one."""
    first = memoryview(frames[0])
    total = sum(lengths)
    inline = total <= INLINE
    own = 1 if inline or not lengths else 1 + len(lengths)
    if len(first) != used + (total if inline else 0):
        raise WireError(f"a frame of {len(first)} B: its header announces {used + total * inline}")
    if len(frames) not in (own, own + 1):
        raise WireError(f"{len(frames)} frames: the header announces {own}")
    report = frames[own] if len(frames) > own else None
    if inline:
        ends = accumulate(lengths, initial=used)
        return [first[a:b] for a, b in pairwise(ends)], report
    bodies = [memoryview(frame) for frame in frames[1:own]]
    if [len(body) for body in bodies] != lengths:
        raise WireError("a buffer whose length is not what the header announces")
    return bodies, report


def _payload(shape: Shape, bodies: list[memoryview]) -> Payload:
    """Take the shape's buffers off the front of ``bodies``."""
    indices = _indices(bodies.pop(0), shape) if shape.form == SPARSE else None
    values = _values(bodies.pop(0), shape)
    if shape.form == DENSE:
        return Dense(values)
    if indices is None:
        return Shared(shape.size, values)
    return Sparse(shape.size, indices, values)


def _indices(body: memoryview, shape: Shape) -> torch.Tensor:
    raw = np.frombuffer(body, dtype=_INDEX_TYPES[index_width(shape.size)]).astype(np.int64)
    last = int(raw[-1]) if raw.size else -1
    if last >= shape.size or (raw.size > 1 and not (raw[1:] > raw[:-1]).all()):
        raise WireError(f"indices that do not increase strictly below {shape.size}")
    return torch.from_numpy(raw)


def _values(body: memoryview, shape: Shape) -> torch.Tensor:
    array = np.frombuffer(body, dtype=_VALUE_TYPES[shape.type])
    if array.nbytes <= INLINE or not array.flags.writeable:
        array = array.copy()  # aligned, and not a view that would keep the frame alive
    values = torch.from_numpy(array)
    return values.view(torch.bfloat16) if TYPES[shape.type] == "bfloat16" else values


def _seconds(report: Buffer) -> float:
    if len(report) != REPORT.size:
        raise WireError(f"a report of {len(report)} B: it has {REPORT.size}")
    seconds: float = REPORT.unpack(report)[0]
    if not 0 <= seconds < 1e9:
        raise WireError(f"a report of {seconds} s of computing")
    return seconds
