"""How long a rank computes that is computed together with others: some work alone as well.

Where computing costs what it takes on this machine (``compute: measured``), a rank is credited
with what it takes by itself, at a worker: not with its part of a table, which is less. So in each
round a few ranks' messages are made once more, by the code that workers run, on copies of their
states, and timed; all ranks are credited with these times in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from psim.methods.crowds import Crowd
from psim.nodes.compression import Compression
from psim.nodes.rank import Rank
from psim.nodes.setup import Setup
from psim.problems.base import Share
from psim.vectors import torch

RANKS = 4
"""How many work alone in a round."""


class Alone:
    """Times messages of single ranks; ``stopwatch`` gives seconds."""

    def __init__(
        self, setup: Setup, share: Callable[[int], Share], stopwatch: Callable[[], float]
    ) -> None:
        self._setup, self._stopwatch = setup, stopwatch
        self._share = lru_cache(maxsize=RANKS)(share)

    def __call__(
        self, crowd: Crowd, ranks: NDArray[np.int64], x: torch.Tensor, round: int
    ) -> NDArray[np.float64]:
        """Seconds of `RANKS` of the ranks, evenly chosen, before their messages of this round."""
        chosen = ranks[:: max(1, len(ranks) // RANKS)][:RANKS]
        return np.array([self._seconds(crowd, rank, x, round) for rank in chosen.tolist()])

    def _seconds(self, crowd: Crowd, rank: int, x: torch.Tensor, round: int) -> float:
        setup = self._setup
        compression = Compression(setup.compressor, setup.dtype(setup.values))
        node = Rank(rank, self._share(rank), crowd.worker(rank), compression)
        step, due = setup.step(round, rank), setup.due(round)
        began = self._stopwatch()
        node.differentiate(x, step, None, due)
        node.message(step)
        return self._stopwatch() - began
