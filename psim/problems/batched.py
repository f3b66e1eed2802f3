"""Very many shares at once: losses and gradients of some ranks at one x.

`Batched` is what a problem over samples may offer beside its shares: the same numbers as theirs, to
the bit, for thousands of ranks in one pass over the data. `OneByOne` asks the shares themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from psim.problems.base import Share
from psim.problems.pool import Pool
from psim.problems.products import SPARSE_BELOW, signed
from psim.problems.regularizers import Regularizer
from psim.problems.rows import Rows
from psim.vectors import torch

Array = NDArray[np.float64]
Ranks = NDArray[np.int64]
Cut = slice | NDArray[np.int64]
"""Which rows a worker has."""

KEPT = 20_000
"""Shares that are kept for a later round."""
RUNS = 32
"""Runs of ranks of which the numbers of their rows are kept."""


class Batched(Protocol):
    """Losses and gradients of ranks, ascending, at x; x has shape (d,)."""

    def gradients(self, x: torch.Tensor, ranks: Ranks) -> Array:
        """∇f_i(x) of each rank, freshly allocated; shape (ranks, d)."""

    def losses(self, x: torch.Tensor, ranks: Ranks) -> Array:
        """f_i(x) of each rank."""


class OneByOne:
    """Of shares that have no batched form."""

    def __init__(self, share: Callable[[int], Share]) -> None:
        self._share = lru_cache(maxsize=KEPT)(share)

    def gradients(self, x: torch.Tensor, ranks: Ranks) -> Array:
        table = np.empty((len(ranks), x.numel()))
        for row, rank in zip(table, ranks.tolist(), strict=True):
            row[:] = self._share(rank).gradient(x).numpy()
        return table

    def losses(self, x: torch.Tensor, ranks: Ranks) -> Array:
        return np.array([self._share(rank).loss(x) for rank in ranks.tolist()])


class Picked(NamedTuple):
    """The rows of some ranks: one rank after another, as numbers of rows of the pooled data, or as
    a slice where they lie there so; where each rank's begin among them, with the end; the 1/N_i
    of each; and -1/N_i times the row's sign, where the matrix has such.
    """

    which: Cut
    bounds: NDArray[np.int64]
    weights: Array
    numerators: Array


class Some:
    """The ranks from ``first`` on, which ``batched`` numbers from 0."""

    def __init__(self, batched: Batched, first: int) -> None:
        self._batched, self._first = batched, first

    def gradients(self, x: torch.Tensor, ranks: Ranks) -> Array:
        return self._batched.gradients(x, ranks - self._first)

    def losses(self, x: torch.Tensor, ranks: Ranks) -> Array:
        return self._batched.losses(x, ranks - self._first)


class Shards:
    """Which of ``rows`` each rank has; ``signs``: of each row, where the matrix has such."""

    def __init__(
        self, cuts: Sequence[Cut], rows: int, signs: NDArray[np.int8] | None = None
    ) -> None:
        self._cuts, self._rows, self._signs = cuts, rows, signs
        self._in_turn = lru_cache(maxsize=RUNS)(
            lambda first, end: self._found(np.arange(first, end))
        )

    def of(self, ranks: Ranks) -> Picked:
        """All rows of the ranks. Those of ranks without a gap are kept: where all take part, they
        are asked for again.
        """
        first, end = int(ranks[0]), int(ranks[-1]) + 1
        return self._in_turn(first, end) if end - first == len(ranks) else self._found(ranks)

    def _found(self, ranks: Ranks) -> Picked:
        if isinstance(self._cuts, Pool):
            count = self._cuts.each
            bounds = np.arange(0, count * len(ranks) + 1, count)
            return self._picked(self._cuts.table(ranks).ravel(), bounds)
        cuts = [self._cuts[rank] for rank in ranks.tolist()]
        every = np.arange(self._rows)
        own = [every[cut] for cut in cuts]
        bounds = np.cumsum([0, *map(len, own)], dtype=np.int64)
        which = _one_slice(cuts)
        return self._picked(np.concatenate(own) if which is None else which, bounds)

    def _picked(self, which: Cut, bounds: NDArray[np.int64]) -> Picked:
        counts = np.diff(bounds)
        weights = np.repeat(1.0 / counts, counts)
        signed = -weights if self._signs is None else -weights * self._signs[which]
        return Picked(which, bounds, weights, signed)


def _one_slice(cuts: Sequence[Cut]) -> slice | None:
    """All of the cuts as one, where each begins at the end of the one before it."""
    slices = [cut for cut in cuts if isinstance(cut, slice) and cut.step in (None, 1)]
    if len(slices) < len(cuts) or any(a.stop != b.start for a, b in pairwise(slices)):
        return None
    return slice(slices[0].start, slices[-1].stop)


class BatchedLogistic:
    """`logistic.LogisticShare` of many ranks, for sparse rows: B is shared, and so is what a row
    that several ranks have contributes.
    """

    def __init__(self, rows: Rows, cuts: Sequence[Cut], regularizer: Regularizer) -> None:
        from psim.problems.kernels.csr import CompiledRows
        from psim.problems.kernels.shards import transposed_times

        matrix = signed(rows.features, rows.labels)
        assert not isinstance(matrix, np.ndarray), "`batched_logistic` has looked"
        self._signed = CompiledRows(matrix)
        self._shards = Shards(cuts, rows.count, self._signed.signs)
        self._regularizer = regularizer
        self._transposed_times = transposed_times
        self._x: torch.Tensor | None = None
        self._point = np.empty(0)

    def gradients(self, x: torch.Tensor, ranks: Ranks) -> Array:
        if x is not self._x:  # nodes move x where it is
            self._x, self._point = x, x.numpy()
        picked = self._shards.of(ranks)
        exponentials = self._of_rows(self._point, picked.which, _exponentials)
        table = self._transposed_times(
            self._signed, picked.which, picked.bounds, picked.numerators, exponentials
        )
        table += self._regularizer.gradient(self._point)
        return table

    def losses(self, x: torch.Tensor, ranks: Ranks) -> Array:
        point, picked = x.numpy(), self._shards.of(ranks)
        terms = self._of_rows(point, picked.which, _terms)
        terms *= picked.weights
        return _sums(terms, picked.bounds) + self._regularizer.value(point)

    def _of_rows(self, point: Array, which: Cut, made: Callable[[Array], Array]) -> Array:
        """What is made of the rows' margins, freshly allocated; of no row twice where the ranks
        have more rows than there are.
        """
        if isinstance(which, slice):
            return made(self._signed.times_between(which, point))
        if len(which) < self._signed.rows:
            return made(self._signed.take(which).times(point))
        return made(self._signed.times(point))[which]


def batched_logistic(
    rows: Rows, cuts: Sequence[Cut], regularizer: Regularizer
) -> BatchedLogistic | None:
    """None where some share might be multiplied as a dense matrix, whose sums are BLAS's."""
    if isinstance(rows.features, np.ndarray):
        return None
    most = int(np.diff(rows.features.indptr).max(initial=0))
    return BatchedLogistic(rows, cuts, regularizer) if most < SPARSE_BELOW * rows.size else None


def _exponentials(margins: Array) -> Array:
    """exp(m), of which 1/(1 + …) is σ(-m); overwrites the margins. It may be infinite."""
    return np.exp(margins, out=margins)


def _terms(margins: Array) -> Array:
    """log(1 + exp(-m))."""
    terms: Array = np.log1p(np.exp(-np.abs(margins)))
    terms -= np.minimum(margins, 0.0)
    return terms


def _sums(terms: Array, bounds: NDArray[np.int64]) -> Array:
    """Each rank's sum, as numpy adds the terms of one."""
    counts = np.diff(bounds)
    if (counts == counts[0]).all():
        sums: Array = terms.reshape(len(counts), -1).sum(axis=1)
        return sums
    return np.array([np.sum(terms[a:b]) for a, b in pairwise(bounds.tolist())])
