"""Low-rank payloads on the wire: what a header says of one, and its pieces.

A header has ``n, m``: n numbers in m pieces. Each piece is four unsigned integers of 4 bytes:
length, rows, columns and rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from psim.errors import WireError
from psim.lowrank import LowRank, Piece
from psim.wire.layout import WIDTHS, Buffer

FIELDS = 2
LARGEST_PIECES = 1 << 16
_NUMBER = np.dtype("<u4")


class LowRankShape(NamedTuple):
    """A low-rank payload as a header announces it."""

    type: int
    size: int
    numbers: int
    pieces: int

    @property
    def lengths(self) -> list[int]:
        """Bytes of each of its buffers: pieces and numbers."""
        return [self.pieces * 4 * _NUMBER.itemsize, self.numbers * WIDTHS[self.type]]


def parse(type_code: int, fields: Sequence[int], size: int) -> LowRankShape:
    """The shape that a header's two fields announce. Raises WireError."""
    count, pieces = fields
    if count > size:
        raise WireError(f"{count} numbers of factors: vectors here have {size} entries")
    if pieces > min(size, LARGEST_PIECES):
        raise WireError(f"{pieces} pieces: at most {min(size, LARGEST_PIECES)} were expected")
    return LowRankShape(type_code, size, count, pieces)


def describe(payload: LowRank) -> list[int]:
    """What a header says of it, after its code."""
    return [payload.count, len(payload.pieces)]


def layout(payload: LowRank) -> np.ndarray:
    """The pieces, as they travel."""
    return np.array(payload.pieces, dtype=_NUMBER).ravel()


def pieces_of(body: Buffer, shape: LowRankShape) -> tuple[Piece, ...]:
    """The pieces, once they are known to be the vector's and to have the numbers announced.

    Raises WireError.
    """
    table = np.frombuffer(body, dtype=_NUMBER).astype(np.int64).reshape(-1, 4)
    length, rows, columns, rank = table.T
    if (table > shape.size).any():
        raise WireError(f"a piece beyond the vector's {shape.size} entries")
    counts = np.where(rank > 0, rank * (rows + columns), length)
    factored = (
        (rank <= np.minimum(rows, columns))
        & ((rows - 1) * columns < length)
        & (length <= rows * columns)
        & (counts <= length)
    )
    whole = (rows == 0) & (columns == 0)
    if not np.where(rank > 0, factored, whole).all() or not length.all():
        raise WireError("a piece that is no matrix of that rank")
    if int(length.sum()) != shape.size or int(counts.sum()) != shape.numbers:
        raise WireError(f"pieces that are not {shape.size} entries in {shape.numbers} numbers")
    return tuple(Piece(*map(int, row)) for row in table)
