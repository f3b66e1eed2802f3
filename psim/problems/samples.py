"""The shares of a problem over samples: each worker has some of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from psim.problems.base import DataProblem, SmoothShare
from psim.problems.batched import Batched, Cut, Shards, Some
from psim.problems.pool import Pool
from psim.problems.products import COMPILED_FROM
from psim.problems.rows import Rows


class SampleShares:
    """f_i over the rows of ``cuts[i]``; every worker weighs 1/n whatever it has of the data."""

    def __init__(self, problem: DataProblem, pooled: Rows, cuts: Sequence[Cut]) -> None:
        self._problem, self._pooled, self._cuts = problem, pooled, cuts
        self.size = pooled.size
        # Those of a pool are counted as often as they are drawn.
        self.rows = len(cuts) * cuts.each if isinstance(cuts, Pool) else pooled.count

    def share(self, rank: int) -> SmoothShare:
        return self._problem.share(self._pooled.take(self._cuts[rank]))

    def batched(self, ranks: range | None = None) -> Batched | None:
        """All shares at once, or those of ``ranks``, with their rows only; None where the problem
        has no faster form of that, or few rows are not worth it.
        """
        if ranks is None:
            return self._problem.batched(self._pooled, self._cuts)
        picked = Shards(self._cuts, self._pooled.count).of(np.array(ranks))
        cuts = [slice(start, end) for start, end in pairwise(picked.bounds.tolist())]
        rows = self._pooled.take(picked.which)
        if isinstance(rows.features, np.ndarray) or rows.features.nnz < COMPILED_FROM:
            return None
        found = self._problem.batched(rows, cuts)
        return None if found is None else Some(found, ranks.start)

    def pooled(self) -> SmoothShare:
        return self._problem.share(self._pooled)

    def mean(self) -> SmoothShare:
        """A sample of worker i weighs 1/(n N_i), each time that it is drawn."""
        weights = np.zeros(self._pooled.count)
        if isinstance(self._cuts, Pool):
            for table in self._cuts.tables():
                weights += np.bincount(table.ravel(), minlength=len(weights))
            weights /= len(self._cuts) * self._cuts.each
        else:
            for cut in self._cuts:
                weights[cut] = 1.0 / (len(self._cuts) * len(weights[cut]))
        return self._problem.share(self._pooled.weighted(weights))

    def content(self) -> tuple[bytes | np.ndarray, ...]:
        """The same whether the features are held sparse or dense."""
        from scipy.sparse import csr_array

        features = csr_array(self._pooled.features)
        return (
            f"samples {self._pooled.count} x {self.size}".encode(),
            features.indptr.astype("<i8"),
            features.indices.astype("<i8"),
            features.data.astype("<f8"),
            self._pooled.labels.astype("<f8"),
        )
