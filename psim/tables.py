"""Payloads of many ranks as two tables, for ranks that are computed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from psim.vectors import Dense, Payload, Sparse, torch


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

    def take(self, rows: NDArray[np.int64]) -> Table:
        """Some of the rows, in this order."""
        indices, values = self.indices, self.values[rows]
        return Table(self.size, values, None if indices is None else indices[rows])

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
