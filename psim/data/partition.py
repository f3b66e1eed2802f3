"""How samples are split among workers: ⌊N/n⌋ each, and the remainder to the last one as well."""

from __future__ import annotations

from typing import Literal

from psim import random
from psim.errors import DataError
from psim.problems.samples import Cut


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
    size = rows // workers
    ends = [*range(size, size * workers, size), rows]
    cuts = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    if kind == "contiguous":
        return list(cuts)
    order = random.generator(seed, "partition").permutation(rows)
    return [order[cut] for cut in cuts]
