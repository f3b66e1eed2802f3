"""How samples are split among workers. Every sample goes to exactly one of them.

``contiguous`` and ``shuffled`` give ⌊N/n⌋ samples to each and the remainder to the last one as well
(EF21, Section 5). The others are for examples to learn from:

- ``dirichlet``: label skew. Of each class, worker i has the share p_i of p ~ Dir(α, …, α); the
  smaller α, the fewer classes a worker has (Yurochkin et al. 2019, "Bayesian nonparametric
  federated learning of neural networks").
- ``class``: ``contiguous``, after sorting by class: a worker has as few classes as can be (McMahan
  et al. 2017, "Communication-efficient learning", section 3, with one shard each).
- ``batches``: ⌊⌊N/b⌋/n⌋ whole minibatches of b samples to each but the last, which has the rest
  (EF21, Appendix A.3, with n = 5).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from psim import random
from psim.errors import DataError
from psim.problems.batched import Cut
from psim.problems.batches import Batch

Kind = Literal["contiguous", "shuffled", "dirichlet", "class", "batches"]
Labels = NDArray[np.int64]


def partition(
    rows: int, workers: int, kind: Literal["contiguous", "shuffled"], seed: int
) -> list[Cut]:
    """Which of N ``rows`` each of n ``workers`` has (EF21, Section 5).

    In file order, or in an order drawn from the run's seed. DataError where a worker would have
    none.
    """
    if workers > rows:
        raise DataError(
            f"{workers} workers cannot share {rows} samples: use workers <= {rows}, or more data"
        )
    cuts = _cuts(rows // workers, rows, workers)
    if kind == "contiguous":
        return list(cuts)
    order = random.generator(seed, "partition").permutation(rows)
    return [order[cut] for cut in cuts]


def partition_examples(
    count: int,
    labels: Labels | None,
    workers: int,
    kind: Kind,
    seed: int,
    alpha: float | None = None,
    batch: int | None = None,
) -> list[Batch]:
    """Which of N = ``count`` examples each of n ``workers`` has, in file order but for ``shuffled``
    and ``class``.

    ``labels`` (N,) are the classes, None where there are none; ``alpha`` is α, which ``dirichlet``
    needs; ``batch`` is b, which ``batches`` needs. DataError where a worker would have no example,
    or fewer than the b of a minibatch, and where a split by class finds no classes.
    """
    if kind == "dirichlet":
        assert alpha is not None, "the config has checked it"
        shares = _dirichlet(_classes(labels, kind), workers, alpha, seed)
    elif kind == "class":
        order = np.argsort(_classes(labels, kind), kind="stable")
        shares = [order[cut] for cut in _cuts(count // workers, count, workers)]
    elif kind == "batches":
        assert batch is not None, "the config has checked it"
        size = count // batch // workers * batch
        shares = [np.arange(count)[cut] for cut in _cuts(size, count, workers)]
    else:
        cuts = partition(count, workers, kind, seed)
        shares = [np.arange(count)[cut] for cut in cuts]
    _check(shares, batch or 1, count, kind)
    return shares


def _cuts(size: int, rows: int, workers: int) -> list[slice]:
    """``size`` rows each, and what is left to the last one."""
    starts = [rank * size for rank in range(workers)]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], rows], strict=True)]


def _dirichlet(labels: Labels, workers: int, alpha: float, seed: int) -> list[Batch]:
    draws = random.generator(seed, "partition")
    shares: list[list[Batch]] = [[] for _ in range(workers)]
    for label in np.unique(labels):
        rows = draws.permutation(np.flatnonzero(labels == label))
        parts = draws.dirichlet(np.full(workers, alpha))
        ends = np.rint(np.cumsum(parts)[:-1] * len(rows)).astype(np.int64)
        for share, part in zip(shares, np.split(rows, ends), strict=True):
            share.append(part)
    return [np.sort(np.concatenate(share)) for share in shares]


def _classes(labels: Labels | None, kind: Kind) -> Labels:
    if labels is None:
        raise DataError(
            f"partition: {kind} splits by class, and these data have none: use contiguous, "
            "shuffled or batches"
        )
    return labels


def _check(shares: list[Batch], least: int, count: int, kind: Kind) -> None:
    """Raises DataError, about the rank with the fewest examples."""
    sizes = [len(share) for share in shares]
    rank = int(np.argmin(sizes))
    if sizes[rank] >= least:
        return
    fewer = "a smaller batch, or " if least > 1 else ""
    skew = ", a larger alpha or another seed" if kind == "dirichlet" else ""
    raise DataError(
        f"rank {rank} would have {sizes[rank]} of {count} examples, fewer than the {least} of a "
        f"minibatch: use {fewer}fewer than {len(shares)} workers{skew}"
    )
