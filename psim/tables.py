"""Payloads of many ranks as two tables, for ranks that are computed together.

They are numpy's, and not tensors: a round of few short vectors does nothing that needs torch, whose
calls take as long as the round's arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from psim.vectors import Dense, Payload, Sparse, torch

BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class Table:
    """A payload for each of m ranks, all of one form: ``values`` (m, k), of vectors of ``size``
    entries; ``indices`` (m, k), int64 and ascending in each row, or None where k is the size and
    the payloads are dense. ``type`` is that of the values: of bfloat16, which numpy does not have,
    the bits are there, as int16.
    """

    size: int
    type: str
    values: NDArray[Any]
    indices: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, size: int, values: torch.Tensor, indices: NDArray[np.int64] | None = None) -> Table:
        """The tensor's values, whose memory it shares."""
        name = str(values.dtype).removeprefix("torch.")
        raw = values.view(torch.int16) if name == BFLOAT16 else values
        return cls(size, name, raw.numpy(), indices)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def tensor(self) -> torch.Tensor:
        """The values as a tensor of their type, in the same memory."""
        values = torch.from_numpy(self.values)
        return values.view(torch.bfloat16) if self.type == BFLOAT16 else values

    def widened(self) -> NDArray[np.float64]:
        """The values in float64; those of a table of that type are its own."""
        if self.type == BFLOAT16:
            exact: NDArray[np.float64] = self.tensor.to(torch.float64).numpy()
            return exact
        return self.values.astype(np.float64, copy=False)

    def row(self, number: int) -> Payload:
        """One rank's payload."""
        return self.rows(slice(number, number + 1))[0]

    def rows(self, which: slice = slice(None)) -> list[Payload]:
        """The payloads of some ranks, or of all."""
        values = self.tensor[which].unbind()
        if self.indices is None:
            return [Dense(row) for row in values]
        pairs = zip(torch.from_numpy(self.indices[which]).unbind(), values, strict=True)
        return [Sparse(self.size, where, row) for where, row in pairs]

    def take(self, rows: NDArray[np.int64]) -> Table:
        """Some of the rows, in this order."""
        indices = self.indices
        chosen = None if indices is None else indices[rows]
        return Table(self.size, self.type, self.values[rows], chosen)

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        """Tables of the same form, one after another."""
        if len(tables) == 1:
            return tables[0]
        first = tables[0]
        values = np.concatenate([table.values for table in tables])
        listed = [table.indices for table in tables if table.indices is not None]
        return Table(first.size, first.type, values, np.concatenate(listed) if listed else None)
