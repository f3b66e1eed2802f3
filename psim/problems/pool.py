"""Shards of a shared pool: every worker's rows are drawn from all rows, so that n may exceed N.

Worker i has ``each`` rows, drawn independently, with replacement: ⌊N u⌋ for the first numbers u of
``generator(seed, "partition", i)``, in the order drawn (see `psim.random`). Its f_i is then a mean
over a bootstrap sample of the pool (Efron 1979), and workers are alike in distribution. Nothing is
kept: rows are drawn when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from psim import random
from psim.problems.batches import Batch

TOGETHER = 4096
"""Ranks whose rows are drawn at a time, where all ranks' are needed."""


class Pool(Sequence[Batch]):
    """``each`` rows of n ``workers``, drawn from N = ``rows`` by ``seed``, the run's."""

    def __init__(self, rows: int, each: int, workers: int, seed: int) -> None:
        self.rows, self.each = rows, each
        self._workers, self._seed = workers, seed

    def __len__(self) -> int:
        return self._workers

    @overload
    def __getitem__(self, rank: int) -> Batch: ...
    @overload
    def __getitem__(self, rank: slice) -> list[Batch]: ...
    def __getitem__(self, rank: int | slice) -> Batch | list[Batch]:
        if isinstance(rank, slice):
            return list(self.table(range(self._workers)[rank]))
        if not 0 <= rank < self._workers:  # a loop over the sequence ends by this
            raise IndexError(f"rank {rank} is not among the ranks 0 to {self._workers - 1}")
        return self._rows_at(random.generator(self._seed, "partition", rank).random(self.each))

    def table(self, ranks: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of some ranks, one rank a line; shape (ranks, each)."""
        return self._rows_at(random.uniforms(self._seed, "partition", ranks, count=self.each))

    def _rows_at(self, shares: NDArray[np.float64]) -> NDArray[np.int64]:
        """⌊N u⌋, which no u below 1 makes N."""
        return (self.rows * shares).astype(np.int64)

    def tables(self) -> Iterator[NDArray[np.int64]]:
        """The rows of all ranks in order, some thousand ranks at a time."""
        for first in range(0, self._workers, TOGETHER):
            yield self.table(range(first, min(first + TOGETHER, self._workers)))
