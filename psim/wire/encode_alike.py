"""Messages of one round whose payloads have the same form, encoded together.

Only the rank and the contents of the buffers differ: the bytes are those of `encode`, message by
message.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import nan
from typing import TYPE_CHECKING

import msgpack
import numpy as np

from psim.vectors import torch
from psim.wire.alike_sizes import same_length
from psim.wire.buffers import INDEX_TYPES
from psim.wire.encode import Encoded, code_of, encode
from psim.wire.layout import DENSE, INLINE, REPORT, SPARSE, index_width
from psim.wire.messages import PROTOCOL, Kind, Packet
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
    before, after = _around_rank(round, table)
    sized = cache(lambda length: Size(length, framed(length)))
    made = []
    for rank, body, took in zip(ranks, bodies, seconds, strict=True):
        frame = before + msgpack.packb(rank) + after + body
        made.append(Encoded([frame], sized(len(frame)), REPORT.pack(took, nan)))
    return made


def _around_rank(round: int, table: Table) -> tuple[bytes, bytes]:
    """What a header has before its rank, and what after it."""
    fields = [1, *_described(table)]
    after = b"".join(map(msgpack.packb, fields))
    whole: bytes = msgpack.packb([PROTOCOL, Kind.MESSAGE, round, 0, *fields])
    return whole[: -len(after) - 1], after  # a rank of 0 is one byte


def _described(table: Table) -> list[int]:
    """What a header says of the payloads."""
    code = code_of(table.values.dtype)
    if table.indices is None:
        return [DENSE << 4 | code, table.size]
    return [SPARSE << 4 | code, table.size, table.values.shape[1]]


def _bodies(table: Table, manner: Manner) -> list[bytes] | None:
    """The buffers of each message, one after another; None where indices may be coded, where there
    are none, or where a message is more than one frame.
    """
    floats = table.values
    plain = floats.view(torch.int16) if floats.dtype == torch.bfloat16 else floats
    values = np.ascontiguousarray(plain.numpy())
    parts = [values]
    if table.indices is not None:
        if not (values.size and same_length(values.shape[1], table.size, manner)):
            return None
        parts.insert(0, table.indices.numpy().astype(INDEX_TYPES[index_width(table.size)]))
    widths = [part.shape[1] * part.itemsize for part in parts]
    if sum(widths) > INLINE:
        return None
    rows, start = np.empty((len(values), sum(widths)), dtype=np.uint8), 0
    for part, width in zip(parts, widths, strict=True):
        rows[:, start : start + width] = part.view(np.uint8)
        start += width
    return [row.tobytes() for row in rows]
