"""Messages whose headers differ in the rank alone, decoded together.

The ranks of one host mostly send messages of the same form and size. Once the first one's header is
decoded and checked, the others' are only compared with it, byte for byte, and their buffers are the
rows of one table. The packets are those of decoding one message after another; whatever is not
plainly alike, or has anything wrong with it, is left to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.errors import WireError
from psim.tables import Table
from psim.vectors import Payload, Shared
from psim.wire import buffers
from psim.wire.heads import ONE_BYTE
from psim.wire.layout import INLINE, LONGEST, REPORT, SHARED, SPARSE, TYPES, Buffer, Shape
from psim.wire.messages import Kind, Packet, Scalar
from psim.wire.shapes import AnyShape
from psim.wire.size import Size, framed

_WIDTHS = {0xCC: 2, 0xCD: 3, 0xCE: 5}
"""Bytes of a msgpack unsigned integer by its first byte; one below 128 is that byte."""


class Header(NamedTuple):
    """A vector message's header, checked: ``length`` are its bytes in the first frame."""

    kind: Kind
    round: int
    rank: int
    shapes: Sequence[AnyShape]
    scalars: tuple[Scalar, ...]
    length: int


class Alike(NamedTuple):
    """Messages whose headers differ in the rank alone: for each payload a table with a row for each
    message, in the order in which they came. ``reports`` are seconds and a loss, shape (m, 2);
    ``lengths`` those of the messages' frames, reports apart.
    """

    header: Header
    ranks: list[int]
    tables: list[Table]
    reports: NDArray[np.float64]
    lengths: list[int]

    def packets(self) -> list[tuple[Packet, Size]]:
        """The messages one by one, with their sizes."""
        kind, round, _, shapes, scalars, _ = self.header
        payloads = [_column(shape, each) for shape, each in zip(shapes, self.tables, strict=True)]
        rows = zip(self.ranks, self.reports.tolist(), self.lengths, *payloads, strict=True)
        sized = cache(lambda length: Size(length, framed(length)))
        return [
            (Packet(kind, round, rank, (*mine,), scalars, *report), sized(length))
            for rank, report, length, *mine in rows
        ]


def decode_alike(
    frames: Sequence[Buffer], place: int, header: Header, workers: int, most: int
) -> Alike | None:
    """The messages like the one at frame ``place``, itself among them; ``most`` at most. None where
    that one has another form than all of these have, or something is wrong with one of them.

    Each is one frame, followed by its report; ranks are ``workers`` at most.
    """
    lengths = _plain_lengths(tuple(header.shapes)) if header.kind is Kind.MESSAGE else None
    if lengths is None:
        return None
    own = frames[place : min(len(frames) - 1, place + 2 * most) : 2]
    rows = _rows(own, header, sum(lengths))
    if rows is None or max(rows.ranks) > workers:
        return None
    columns = iter([rows.bodies[:, a:b] for a, b in pairwise(accumulate(lengths, initial=0))])
    try:
        tables = [_tables(shape, columns) for shape in header.shapes]
        reports = _reports(frames[place + 1 : place + 2 * len(rows.ranks) : 2])
    except WireError:
        return None
    return Alike(header, rows.ranks, tables, reports, rows.lengths)


@lru_cache(maxsize=16)
def _plain_lengths(shapes: tuple[AnyShape, ...]) -> list[int] | None:
    """Bytes of each buffer; None where some are no floats, coded, or in frames of their own."""
    plain = [shape for shape in shapes if isinstance(shape, Shape) and shape.coding is None]
    lengths = [length for shape in plain for length in shape.lengths]
    return None if len(plain) < len(shapes) or sum(lengths) > INLINE else lengths


class _Rows(NamedTuple):
    """Messages that are like the first: their ranks, their buffers, one message a row, and the
    lengths of their frames.
    """

    ranks: list[int]
    bodies: buffers.Bytes
    lengths: list[int]


def _rows(own: Sequence[Buffer], header: Header, total: int) -> _Rows | None:
    """Of the messages ``own``, each a frame, the first ones that are like the very first; None
    where that has no buffers, or another header.
    """
    if not own or not total:
        return None
    first = own[0]
    round = (1 if first[0] < 0xA0 else 3) + 2  # behind the array's head, version and kind
    start = round + _width(first[round])
    if start == round:
        return None
    after = first[start + _width(first[start]) : header.length]
    return _of_one_byte(own, start, after, total) or _one_by_one(own, start, after, total)


def _of_one_byte(own: Sequence[Buffer], start: int, after: Buffer, total: int) -> _Rows | None:
    """All of them, where all are like the first and their ranks are one byte each."""
    lengths = [len(frame) for frame in own]
    end = start + 1 + len(after)
    if lengths.count(end + total) < len(lengths):
        return None
    table = np.frombuffer(b"".join(own), dtype=np.uint8).reshape(len(own), -1)
    heads, ranks = table[:, :end], table[:, start]
    differ = (heads != heads[0]).any(axis=0)
    differ[start] = False  # where the rank is
    if differ.any() or (ranks >= ONE_BYTE).any():
        return None
    return _Rows(ranks.tolist(), table[:, end:], lengths)


def _one_by_one(own: Sequence[Buffer], start: int, after: Buffer, total: int) -> _Rows | None:
    """Those up to the first one that is not like them."""
    before = own[0][:start]
    ranks, bodies, lengths = [], [], []
    for frame in own:
        if frame[:start] != before or len(frame) <= start:
            break
        head: int = frame[start]
        width = _width(head)
        end = start + width + len(after)
        if not width or frame[start + width : end] != after or len(frame) != end + total:
            break
        ranks.append(head if width == 1 else int.from_bytes(frame[start + 1 : start + width]))
        bodies.append(frame[end:])
        lengths.append(len(frame))
    if not ranks:
        return None
    table = np.frombuffer(b"".join(bodies), dtype=np.uint8).reshape(len(bodies), total)
    return _Rows(ranks, table, lengths)


def _width(head: int) -> int:
    """Bytes of the msgpack unsigned integer that begins so; 0 where none does, or a huge one."""
    return 1 if head < ONE_BYTE else _WIDTHS.get(head, 0)


def _tables(shape: AnyShape, columns: Iterator[buffers.Bytes]) -> Table:
    """The messages' payloads of one shape; takes its buffers off ``columns``. Raises WireError."""
    assert isinstance(shape, Shape), "others are not decoded together"
    indices = buffers.indices(next(columns), shape.size) if shape.form == SPARSE else None
    values = buffers.numbers(next(columns), shape.type)
    return Table(shape.size, TYPES[shape.type], values, indices)


def _column(shape: AnyShape, table: Table) -> list[Payload]:
    """The messages' payloads of one shape."""
    assert isinstance(shape, Shape), "others are not decoded together"
    if shape.form == SHARED:
        return [Shared(shape.size, row) for row in table.tensor.unbind()]
    return table.rows()


def _reports(reports: Sequence[Buffer]) -> NDArray[np.float64]:
    """What the reports say: seconds and a loss each. WireError where one is no report."""
    if set(map(len, reports)) != {REPORT.size}:
        raise WireError("a report of another length")
    table = np.frombuffer(b"".join(reports), dtype="<f8").reshape(len(reports), 2)
    seconds = table[:, 0]
    if not ((seconds >= 0) & (seconds < LONGEST)).all():
        raise WireError("a report of impossible seconds")
    return table
