"""Messages of one round whose payloads have the same form, encoded together.

Only the rank and the contents of the buffers differ: the bytes are those of `encode`, message by
message.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING

import msgpack
import numpy as np

from psim.vectors import torch
from psim.wire.alike_sizes import same_length
from psim.wire.buffers import INDEX_TYPES
from psim.wire.encode import Encoded, code_of, encode
from psim.wire.layout import DENSE, INLINE, REPORT, SPARSE, Frames, index_width
from psim.wire.messages import PROTOCOL, Kind, Packet
from psim.wire.size import measure

if TYPE_CHECKING:
    from psim.tables import Table
    from psim.wire.indices import Manner


def encode_alike(
    round: int, ranks: Sequence[int], table: Table, seconds: Sequence[float], manner: Manner
) -> list[Encoded]:
    """The MESSAGE of each rank, whose payload is its row of the table, with the ``seconds`` that it
    reports.
    """
    body = _bodies(table, manner)
    if body is None:
        return [
            encode(Packet(Kind.MESSAGE, round, rank, (table.row(row),), (), took), manner)
            for row, (rank, took) in enumerate(zip(ranks, seconds, strict=True))
        ]
    described = _described(table)
    made = []
    for rank, row, took in zip(ranks, body, seconds, strict=True):
        head: bytes = msgpack.packb([PROTOCOL, Kind.MESSAGE, round, rank, 1, *described])
        frames: Frames = [head + row]
        made.append(Encoded(frames, measure(frames), REPORT.pack(took, nan)))
    return made


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
    rows = [values.view(np.uint8).reshape(len(values), -1)]
    if table.indices is not None:
        if not (values.size and same_length(values.shape[1], table.size, manner)):
            return None
        listed = table.indices.numpy().astype(INDEX_TYPES[index_width(table.size)])
        rows.insert(0, listed.view(np.uint8).reshape(len(values), -1))
    if sum(part.shape[1] for part in rows) > INLINE:
        return None
    return [row.tobytes() for row in np.hstack(rows)]
