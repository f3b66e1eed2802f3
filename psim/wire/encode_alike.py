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
    values, listed = table.values, table.indices
    form = _form(table.size, table.type, values.shape, values.dtype, listed is not None, manner)
    if form is None:
        return [
            encode(Packet(Kind.MESSAGE, round, rank, (table.row(row),), (), took), manner)
            for row, (rank, took) in enumerate(zip(ranks, seconds, strict=True))
        ]
    if listed is not None:
        form.indices[:] = listed
    form.values[:] = values
    bodies, most = form.rows.tobytes(), form.rows.shape[1]
    before, start = form.before + number(round), 0
    made, size = [], Size(0, 0)
    for rank, took in zip(ranks, seconds, strict=True):
        frame = b"".join((before, number(rank), form.after, bodies[start : start + most]))
        if size.payload != len(frame):
            size = Size(len(frame), framed(len(frame)))
        made.append(Encoded([frame], size, REPORT.pack(took, nan)))
        start += most
    return made


class _Form(NamedTuple):
    """What messages of one form have in common: their headers, around round and rank; and room for
    their buffers, one message a row, of which these are the indices and these the values.
    """

    before: bytes
    after: bytes
    rows: NDArray[np.uint8]
    indices: NDArray[np.unsignedinteger]
    values: NDArray[Any]


@lru_cache(maxsize=4)
def _form(
    size: int,
    name: str,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    listed: bool,
    manner: Manner,
) -> _Form | None:
    """That of a table's rows, used again; None where indices may be coded, where there are none, or
    where a message is more than one frame.
    """
    (count, most), code, width = shape, TYPES.index(name), index_width(size) if listed else 0
    if listed and not (count and most and same_length(most, size, manner)):
        return None
    start, total = most * width, most * (width + dtype.itemsize)
    if total > INLINE:
        return None
    described = [SPARSE << 4 | code, most] if listed else [DENSE << 4 | code]
    rows = np.empty((count, total), dtype=np.uint8)
    indices = rows[:, :start].view(INDEX_TYPES[width or 1])
    return _Form(*around(Kind.MESSAGE, *described), rows, indices, rows[:, start:].view(dtype))
