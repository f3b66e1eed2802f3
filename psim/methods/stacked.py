"""The messages of many ranks as two tables, for ranks that are computed together.

`Stacked` is the mapping from ranks to messages that a master aggregates: each message is there when
it is asked for, and a mean of all is taken on the tables, to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psim import vectors
from psim.methods.base import Message, Together
from psim.vectors import Dense, Payload, Sparse, torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Table:
    """A payload for each of m ranks, all of one form: ``values`` (m, k), of vectors of ``size``
    entries; ``indices`` (m, k), int64 and ascending in each row, or None where k is the size and
    the payloads are dense.
    """

    size: int
    values: torch.Tensor
    indices: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    def row(self, number: int) -> Payload:
        """One rank's payload."""
        if self.indices is None:
            return Dense(self.values[number])
        return Sparse(self.size, self.indices[number], self.values[number])

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        """Tables of the same form, one after another."""
        if len(tables) == 1:
            return tables[0]
        first = tables[0]
        values = torch.cat([table.values for table in tables])
        if first.indices is None:
            return Table(first.size, values)
        listed = [table.indices for table in tables if table.indices is not None]
        return Table(first.size, values, torch.cat(listed))


class Stacked(Together):
    """Messages of one payload, ``name``, by rank; ``ranks`` are ascending."""

    def __init__(self, name: str, ranks: NDArray[np.int64], table: Table) -> None:
        assert len(ranks) == len(table), (len(ranks), len(table))
        self.name, self.ranks, self.table = name, ranks, table

    def __getitem__(self, rank: int) -> Message:
        place = int(self.ranks.searchsorted(rank))
        if place == len(self.ranks) or self.ranks[place] != rank:
            raise KeyError(rank)
        return Message({self.name: self.table.row(place)})

    def __iter__(self) -> Iterator[int]:
        return iter(self.ranks.tolist())

    def __len__(self) -> int:
        return len(self.ranks)

    def mean(self, count: int, total: torch.Tensor) -> Payload:
        """`vectors.mean` of the payloads in rank order, in the form that it has there."""
        table = self.table
        if table.indices is None:
            total.zero_()
            for row in table.values.to(total.dtype):
                total.add_(row)
            return Dense(total / count)
        if 2 * table.indices.numel() < total.numel():
            return vectors.mean([table.row(number) for number in range(len(table))], count, total)
        # Entries are added one after the other, and so in rank order.
        entries = Sparse(table.size, table.indices.reshape(-1), table.values.reshape(-1))
        return Dense(vectors.add_(total.zero_(), entries) / count)
