"""Frames to messages.

Nothing is trusted: every length follows from the header and from what the receiver expects, and is
checked before anything is allocated. Whatever is wrong is a WireError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import msgpack
import numpy as np

from psim.errors import VersionError, WireError
from psim.lowrank import LowRank
from psim.quantized import Quantized
from psim.vectors import Dense, Payload, Shared, Sparse, torch
from psim.wire import buffers, indices, lowrank, quantized
from psim.wire.alike import Alike, Header, decode_alike
from psim.wire.familiar import Familiar
from psim.wire.layout import (
    DENSE,
    INLINE,
    LARGEST_CONTROL,
    LARGEST_HEADER,
    LARGEST_SCALARS,
    LONGEST,
    REPORT,
    SHARED,
    SPARSE,
    TYPES,
    Buffer,
    Shape,
)
from psim.wire.lowrank import LowRankShape
from psim.wire.messages import PROTOCOL, VECTOR_KINDS, Control, Field, Kind, Packet, Scalar
from psim.wire.quantized import QuantizedShape
from psim.wire.shapes import FIELDS, AnyShape, shape_of
from psim.wire.size import Size, measure


@dataclass(frozen=True, slots=True)
class Expected:
    """What a receiver is ready to take: vectors of ``size`` entries. ``together``: how many
    messages may come as one; by itself one of each worker.
    """

    size: int
    workers: int
    rounds: int
    payloads: int = 1
    together: int = 0


_KINDS = {int(kind): kind for kind in Kind}


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
    """The one vector message in ``frames`` and its size, report apart. Raises WireError."""
    found, *more = decode_all(frames, expected)
    if more:
        raise WireError(f"{1 + len(more)} messages where one was expected")
    return found


def decode_all(frames: Sequence[Buffer], expected: Expected) -> list[tuple[Packet, Size]]:
    """The vector messages in ``frames``, one after another, with their sizes. Raises WireError.

    Small buffers are copied out of the frame; large ones are views of the frames.
    """
    found: list[tuple[Packet, Size]] = []
    place = 0
    most = expected.together or expected.workers
    while place < len(frames) or not found:
        left = most - len(found)
        if left == 0:
            raise WireError(f"more messages than the run's {expected.workers} workers can send")
        header = _header(frames[place : place + 1], expected)
        many = decode_alike(frames, place, header, expected.workers, left)
        if many is not None:
            found += many.packets()
            place += 2 * len(many.ranks)
        else:
            packet, size, place = _decode_at(place, frames, header)
            found.append((packet, size))
    return found


def decode_together(
    frames: Sequence[Buffer], expected: Expected, round: int, familiar: Familiar
) -> Alike | None:
    """All the messages in ``frames``, where they are alike and of that round; None where they are
    not all, or there are more than the run has workers. Raises WireError where the first one is no
    message. What it begins with is looked up, and remembered, in ``familiar``.
    """
    header = familiar.read(frames[0], round) if frames else None
    if header is None:
        header = _header(frames[:1], expected)
        familiar.remember(frames[0], header)
    if header.round != round:
        return None
    found = decode_alike(frames, 0, header, expected.workers, expected.workers)
    whole = found is not None and 2 * len(found.ranks) == len(frames)
    return found if whole else None


def _header(frames: Sequence[Buffer], expected: Expected) -> Header:
    """What the only frame begins with."""
    kind = kind_of(frames)
    if kind not in VECTOR_KINDS:
        raise WireError(f"a {kind.name} message where a vector message was expected")
    fields, length = _fields(frames[0])
    _, _, round, rank, count = _integers(fields[:5])
    if round > expected.rounds or rank > expected.workers or count > expected.payloads:
        raise _beyond(expected, round, rank, count)
    shapes, scalars = _shapes(fields[5:], count, expected.size)
    return Header(kind, round, rank, shapes, scalars, length)


def _decode_at(place: int, frames: Sequence[Buffer], header: Header) -> tuple[Packet, Size, int]:
    """The message that begins with frame ``place``, its size, and where the next one begins."""
    bodies, end = _bodies(frames, place, header.length, header.shapes)
    payloads = tuple(_payload(shape, bodies) for shape in header.shapes)
    packet = Packet(header.kind, header.round, header.rank, payloads, header.scalars)
    size = measure(frames[place:end])
    if header.kind is not Kind.MESSAGE:
        return packet, size, end
    if end == len(frames):
        raise WireError("a MESSAGE without its report")
    compute, loss = _report(frames[end])
    return replace(packet, compute=compute, loss=loss), size, end + 1


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


def _fields(frame: Buffer) -> tuple[list[Field], int]:
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


def _shapes(
    fields: list[Field], count: int, size: int
) -> tuple[list[AnyShape], tuple[Scalar, ...]]:
    shapes: list[AnyShape] = []
    for _ in range(count):
        (code,) = _integers(fields[:1]) or [255]
        form, type_code = code >> 4, code & 15
        if form not in FIELDS or type_code >= len(TYPES):
            raise WireError(f"a payload of unknown form {code}")
        length = 1 + FIELDS[form]
        described = _integers(fields[1:length])
        if len(described) != length - 1:
            raise WireError(f"a payload of form {form} with {len(described)} fields")
        shapes.append(shape_of(form, type_code, described, size))
        fields = fields[length:]
    if len(fields) > LARGEST_SCALARS or not all(type(f) in (bool, int, float) for f in fields):
        raise WireError("a header ends in a few plain scalars")
    return shapes, tuple(fields)  # type: ignore[arg-type]


def _bodies(
    frames: Sequence[Buffer], place: int, used: int, shapes: Sequence[AnyShape]
) -> tuple[list[memoryview], int]:
    """The buffers that the header in frame ``place`` announces, in order, and the first frame that
    is no longer the message's.
    """
    first = memoryview(frames[place])
    lengths = _lengths(shapes, frames, place + 1, apart=len(first) == used)
    total = sum(lengths)
    inline = total <= INLINE
    if len(first) != used + (total if inline else 0):
        raise WireError(f"a frame of {len(first)} B: its header announces {used + total * inline}")
    if inline:
        ends = accumulate(lengths, initial=used)
        return [first[a:b] for a, b in pairwise(ends)], place + 1
    end = place + 1 + len(lengths)
    bodies = [memoryview(frame) for frame in frames[place + 1 : end]]
    if [len(body) for body in bodies] != lengths:
        raise WireError("buffers that are not what the header announces")
    return bodies, end


def _lengths(
    shapes: Sequence[AnyShape], frames: Sequence[Buffer], place: int, apart: bool
) -> list[int]:
    """Bytes of each buffer, the first of which is frame ``place`` if they are ``apart``: in frames
    of their own. Raises WireError.
    """
    lengths: list[int] = []
    for shape in shapes:
        mine = shape.lengths
        plain = shape.plain if isinstance(shape, QuantizedShape) else shape
        if isinstance(plain, Shape) and plain.coding is not None:
            parameter, said = plain.coding
            if apart and plain.values:
                number = place + len(lengths)
                if said or number >= len(frames):
                    raise WireError(f"coded indices in a frame of their own and {said} B announced")
                mine[0] = len(frames[number])
            indices.check(parameter, mine[0], plain.values, plain.size)
        lengths += mine
    return lengths


def _payload(shape: AnyShape, bodies: list[memoryview]) -> Payload:
    """Take the shape's buffers off the front of ``bodies``."""
    if isinstance(shape, QuantizedShape):
        return _of_codes(shape, bodies)
    if isinstance(shape, LowRankShape):
        pieces = lowrank.pieces_of(bodies.pop(0), shape)
        return LowRank(shape.size, pieces, _values(bodies.pop(0), shape))
    listed = _indices(bodies.pop(0), shape) if shape.form == SPARSE else None
    values = _values(bodies.pop(0), shape)
    if shape.form == DENSE:
        return Dense(values)
    if listed is None:
        return Shared(shape.size, values)
    return Sparse(shape.size, listed, values)


def _of_codes(shape: QuantizedShape, bodies: list[memoryview]) -> Quantized:
    plain = shape.plain
    listed = _indices(bodies.pop(0), plain) if plain.form == SPARSE else None
    lengths = quantized.lengths_of(None if shape.block else bodies.pop(0), shape)
    scales = _values(bodies.pop(0), plain)
    codes = quantized.codes_of(bodies.pop(0), shape)
    shared = plain.form == SHARED
    return Quantized(plain.size, shape.rule, shape.width, codes, scales, lengths, listed, shared)


def _indices(body: memoryview, shape: Shape) -> torch.Tensor:
    if shape.coding is None:
        return torch.from_numpy(buffers.indices(np.frombuffer(body, np.uint8), shape.size))
    return indices.read(body, shape.values, shape.size, shape.coding.parameter)


def _values(body: memoryview, shape: Shape | LowRankShape) -> torch.Tensor:
    return buffers.values(np.frombuffer(body, np.uint8), shape.type)


def _report(report: Buffer) -> tuple[float, float]:
    """Seconds of computing, and a loss, which may be any number."""
    if len(report) != REPORT.size:
        raise WireError(f"a report of {len(report)} B: it has {REPORT.size}")
    seconds, loss = REPORT.unpack(report)
    if not 0 <= seconds < LONGEST:
        raise WireError(f"a report of {seconds} s of computing")
    return seconds, loss
