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
            for row in table.values.to(total.dtype):
                total.add_(row)
            return Dense(total / count)
        # Entries are added one after the other, and so in rank order.
        indices, values = table.indices.reshape(-1), table.values.reshape(-1)
        if 2 * indices.numel() >= total.numel():
            entries = Sparse(table.size, indices, values)
            return Dense(vectors.add_(total.zero_(), entries) / count)
        if indices.numel() >= vectors.MANY or table.size > SHORT:
            return vectors.mean([table.row(number) for number in range(len(table))], count, total)
        where = indices.numpy()
        present = np.zeros(table.size, dtype=bool)
        present[where] = True
        support = np.flatnonzero(present)
        sums = np.bincount(where, values.to(total.dtype).numpy(), table.size)
        return Sparse(
            table.size, torch.from_numpy(support), torch.from_numpy(sums[support]) / count
        )
