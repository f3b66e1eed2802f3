"""Compressing vectors of very many ranks: tables with a row for each, and what is kept of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.compressors.tables import Largest, Select
from psim.tables import Table
from psim.vectors import torch

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]

COMPILED = ("float32", "float64")
"""Types on the wire whose values compiled code writes."""


class Kept:
    """A vector of ``size`` entries for each of n ``workers``, all 0 at first. A rank's takes memory
    from its first change on; row 0 stands for all ranks that have had none.
    """

    def __init__(self, workers: int, size: int) -> None:
        self._slots = np.zeros(workers, dtype=np.int32)
        self.rows = np.zeros((1, size))
        self._used = 1
        self._asked: tuple[Ranks, NDArray[np.int32]] | None = None

    def of(self, ranks: Ranks) -> Floats:
        """Copies of the ranks' vectors, one a row."""
        copies: Floats = self.rows[self._slots[ranks]]
        return copies

    def add(self, ranks: Ranks, sent: Table) -> None:
        """Add to each rank's vector its payload; ranks are there once."""
        slots, values = self.own(ranks), sent.widened()
        if sent.indices is None:
            self.rows[slots] += values
        else:
            self.rows[slots[:, None], sent.indices] += values

    def replace(self, ranks: Ranks, rows: Floats) -> None:
        """These are the ranks' vectors now."""
        self.rows[self.own(ranks)] = rows

    def own(self, ranks: Ranks) -> NDArray[np.int32]:
        """Which ``rows`` are the ranks' vectors, with room made for those that had none. Other rows
        are there then, where it took more memory. Neither array is to be written to.
        """
        if self._asked is not None and self._asked[0] is ranks:  # in most rounds they are the same
            return self._asked[1]
        slots: NDArray[np.int32] = self._slots[ranks]
        if np.count_nonzero(slots) == len(slots):
            self._asked = ranks, slots
            return slots
        new = ranks[slots == 0]
        used = self._used + len(new)
        if used > len(self.rows):
            # Memory that grows in place, by some more than is needed now.
            self.rows.resize((used + used // 8, self.rows.shape[1]), refcheck=False)
        self._slots[new] = np.arange(self._used, used)
        self._used = used
        return self._slots[ranks]


class CompressRows:
    """A compressor of tables, and the type on the wire: what it returns is what arrives.

    Top-k and the step around it are one compiled pass (`kernels.rows`) where values are float32 or
    float64, unless it is not to be ``compiled``; to the same bits.
    """

    def __init__(self, select: Select, dtype: torch.dtype, compiled: bool = True) -> None:
        self._select, self._dtype = select, dtype
        self._fused: _Fused | None = None
        name = str(dtype).removeprefix("torch.")
        if compiled and isinstance(select, Largest) and name in COMPILED:
            self._fused = _Fused(select.k, name)

    def __call__(self, vectors: Floats) -> Table:
        """C of each row."""
        if self._fused is not None:
            return self._fused.of_rows(vectors)
        chosen = self._select(vectors)
        if chosen is None:
            return self.whole(vectors)
        taken = torch.from_numpy(vectors[np.arange(len(vectors))[:, None], chosen])
        return Table.of(vectors.shape[1], taken.to(self._dtype), chosen)

    def difference(self, targets: Floats, kept: Kept, ranks: Ranks) -> Table:
        """C of each row less what is ``kept`` of its rank, which is added to that. The targets are
        overwritten.
        """
        if self._fused is not None:
            return self._fused.of_difference(targets, kept, ranks)
        targets -= kept.of(ranks)
        sent = self(targets)
        kept.add(ranks, sent)
        return sent

    def after_adding(self, kept: Kept, vectors: Floats, factor: float, ranks: Ranks) -> Table:
        """kept ← kept + factor · vectors, a product, then a sum; C of that, which is taken from
        what is kept. The vectors are overwritten.
        """
        if self._fused is not None:
            return self._fused.of_sum(vectors, factor, kept, ranks)
        vectors *= factor
        vectors += kept.of(ranks)  # of two terms the sum is the same either way
        sent = self(vectors)
        kept.replace(ranks, _less(vectors, sent))
        return sent

    def whole(self, vectors: Floats) -> Table:
        """Each row uncompressed, in memory of its own."""
        return Table.of(vectors.shape[1], torch.from_numpy(vectors).to(self._dtype, copy=True))

    def nothing(self, vectors: Floats) -> Table:
        """No entry of any row."""
        count, size = vectors.shape
        values = torch.empty((count, 0), dtype=self._dtype)
        return Table.of(size, values, np.empty((count, 0), dtype=np.int64))


class _Fused:
    """Top-k and the step around it, as one compiled pass; values travel as the type so named."""

    def __init__(self, k: int, name: str) -> None:
        from psim.kernels import rows

        self._rows, self._k, self._name, self._type = rows, k, name, np.dtype(name)

    def of_rows(self, vectors: Floats) -> Table:
        """C of each row."""
        indices, values = self._room(vectors)
        self._rows.of_rows(vectors, indices, values)
        return Table(vectors.shape[1], self._name, values, indices)

    def of_difference(self, targets: Floats, kept: Kept, ranks: Ranks) -> Table:
        """As `CompressRows.difference`."""
        (indices, values), slots = self._room(targets), kept.own(ranks)
        self._rows.of_difference(targets, kept.rows, slots, indices, values)
        return Table(targets.shape[1], self._name, values, indices)

    def of_sum(self, vectors: Floats, factor: float, kept: Kept, ranks: Ranks) -> Table:
        """As `CompressRows.after_adding`."""
        (indices, values), slots = self._room(vectors), kept.own(ranks)
        self._rows.of_sum(vectors, factor, kept.rows, slots, indices, values)
        return Table(vectors.shape[1], self._name, values, indices)

    def _room(self, vectors: Floats) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
        """For the indices and values of as many rows."""
        shape = len(vectors), self._k
        return np.empty(shape, np.int64), np.empty(shape, self._type)


def _less(vectors: Floats, sent: Table) -> Floats:
    """What sending leaves of the vectors, which are overwritten."""
    values = sent.widened()
    if sent.indices is None:
        vectors -= values
    else:
        vectors[np.arange(len(vectors))[:, None], sent.indices] -= values
    return vectors
