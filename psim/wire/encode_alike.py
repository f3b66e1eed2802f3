"""Messages of one round whose payloads have the same form, encoded together.

Only the rank and the contents of the buffers differ: the bytes are those of `encode`, message by
message.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.wire.alike_sizes import same_length
from psim.wire.buffers import INDEX_TYPES
from psim.wire.encode import Encoded, encode
from psim.wire.heads import around, number
from psim.wire.layout import DENSE, INLINE, REPORT, SPARSE, TYPES, index_width
from psim.wire.messages import Kind, Packet
from psim.wire.size import Size, framed

if TYPE_CHECKING:
    from psim.tables import Table
    from psim.wire.indices import Manner


def encode_alike(
    round: int, ranks: Sequence[int], table: Table, seconds: Sequence[float], manner: Manner
) -> list[Encoded]:
    """The MESSAGE of each rank, whose payload is its row of the table, with the ``seconds`` that it
    reports.
    """
    bodies = _bodies(table, manner)
    if bodies is None:
        return [
            encode(Packet(Kind.MESSAGE, round, rank, (table.row(row),), (), took), manner)
            for row, (rank, took) in enumerate(zip(ranks, seconds, strict=True))
        ]
    start, after = around(Kind.MESSAGE, *_described(table))
    before = start + number(round)
    made, size = [], Size(0, 0)
    for rank, body, took in zip(ranks, bodies, seconds, strict=True):
        frame = b"".join((before, number(rank), after, body))
        if size.payload != len(frame):
            size = Size(len(frame), framed(len(frame)))
        made.append(Encoded([frame], size, REPORT.pack(took, nan)))
    return made


def _described(table: Table) -> list[int]:
    """What a header says of the payloads."""
    code = TYPES.index(table.type)
    if table.indices is None:
        return [DENSE << 4 | code]
    return [SPARSE << 4 | code, table.values.shape[1]]


def _bodies(table: Table, manner: Manner) -> list[bytes] | None:
    """The buffers of each message, one after another; None where indices may be coded, where there
    are none, or where a message is more than one frame.
    """
    values, listed = np.ascontiguousarray(table.values), table.indices
    count, most = values.shape
    start = 0
    if listed is not None:
        start = most * index_width(table.size)
        if not (values.size and same_length(most, table.size, manner)):
            return None
    total = start + most * values.itemsize
    if total > INLINE:
        return None
    room = _room(count, start, most, values.dtype)
    if listed is not None:
        room.indices[:] = listed
    room.values[:] = values
    whole = room.rows.tobytes()
    return [whole[first : first + total] for first in range(0, count * total, total)]


class _Room(NamedTuple):
    """The buffers of messages, one message a row, and what of it are their indices and values."""

    rows: NDArray[np.uint8]
    indices: NDArray[np.unsignedinteger]
    values: NDArray[Any]


@lru_cache(maxsize=4)
def _room(count: int, start: int, most: int, dtype: np.dtype[Any]) -> _Room:
    """For so many messages of ``most`` values, which begin at byte ``start``; used again."""
    rows = np.empty((count, start + most * dtype.itemsize), dtype=np.uint8)
    indices = rows[:, :start].view(INDEX_TYPES[start // most or 1])
    return _Room(rows, indices, rows[:, start:].view(dtype))
