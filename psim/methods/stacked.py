"""The messages of many ranks as tables.

`Stacked` is the mapping from ranks to messages that a master aggregates: each message is there when
it is asked for, and a mean of all is taken on the tables, to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from psim import vectors
from psim.methods.base import Message, Together
from psim.tables import Table
from psim.vectors import Dense, Payload, Sparse, torch

if TYPE_CHECKING:
    from numpy.typing import NDArray


SHORT = 1 << 14
"""Entries of vectors that it costs nothing to have all of, where few are asked for."""


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
            for row in table.tensor.to(total.dtype):
                total.add_(row)
            return Dense(total / count)
        # Entries are added one after the other, and so in rank order.
        indices = table.indices.reshape(-1)
        if 2 * len(indices) >= table.size:
            values = table.tensor.reshape(-1)
            entries = Sparse(table.size, torch.from_numpy(indices), values)
            return Dense(vectors.add_(total.zero_(), entries) / count)
        if len(indices) >= vectors.MANY or table.size > SHORT or total.dtype != torch.float64:
            return vectors.mean(table.rows(), count, total)
        present = np.zeros(table.size, dtype=bool)
        present[indices] = True
        support = present.nonzero()[0]
        sums = np.bincount(indices, table.widened().reshape(-1), table.size)
        found = sums[support] / count
        return Sparse(table.size, torch.from_numpy(support), torch.from_numpy(found))
