"""Workers of very many ranks: the states of all as one table, and their messages in one go.

A `Crowd` is what a class of `Worker` does, for many ranks at once and to the same bits. Which
workers have one is decided by their class alone: one that derives from them and does something else
has none, and works rank by rank.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from psim.methods.base import Worker
from psim.methods.compress_rows import CompressRows, Kept
from psim.methods.dcgd import CompressedGradient
from psim.methods.ef import CompressedStep, ErrorFeedback
from psim.methods.ef21 import MarkovWorker
from psim.step import Step
from psim.tables import Table
from psim.vectors import torch

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]


class Crowd(ABC):
    """The states of all ranks. ``ranks`` are ascending, and tables have a row for each of them."""

    @abstractmethod
    def message(self, ranks: Ranks, gradients: Floats, step: Step, compress: CompressRows) -> Table:
        """What the ranks send at x^t, given their gradients there; updates their states. The table
        of gradients may be overwritten.
        """

    @abstractmethod
    def worker(self, rank: int) -> Worker:
        """A copy of one rank's state."""

    def estimates(self, ranks: Ranks) -> Floats | None:
        """g_i of each, where the method keeps one: `Worker.estimate_of_gradient`."""
        return None

    def errors(self, ranks: Ranks) -> Floats | None:
        """e_i of each, where the method keeps it: `Worker.error_kept`."""
        return None


class Markov(Crowd):
    """`MarkovWorker`: sends C(∇f_i - g_i), and adds it to g_i."""

    def __init__(self, worker: MarkovWorker, workers: int) -> None:
        self._init = worker.init
        self._kept = Kept(workers, worker.estimate.numel())

    def message(self, ranks: Ranks, gradients: Floats, step: Step, compress: CompressRows) -> Table:
        if step.round == 0 and self._init == "zero":
            return compress.nothing(gradients)
        if step.round == 0 and self._init == "full":
            sent = compress.whole(gradients)
        else:
            return compress.difference(gradients, self._kept, ranks)
        self._kept.add(ranks, sent)
        return sent

    def worker(self, rank: int) -> MarkovWorker:
        return MarkovWorker(_vector(self._kept, rank), self._init)

    def estimates(self, ranks: Ranks) -> Floats:
        return self._kept.of(ranks)


class Feedback(Crowd):
    """`ErrorFeedback`: sends C(e_i + γ ∇f_i), and keeps what that leaves."""

    def __init__(self, worker: ErrorFeedback, workers: int) -> None:
        self._kept = Kept(workers, worker.error.numel())

    def message(self, ranks: Ranks, gradients: Floats, step: Step, compress: CompressRows) -> Table:
        return compress.after_adding(self._kept, gradients, step.step_size, ranks)

    def worker(self, rank: int) -> ErrorFeedback:
        return ErrorFeedback(_vector(self._kept, rank))

    def errors(self, ranks: Ranks) -> Floats:
        return self._kept.of(ranks)


class Stateless(Crowd):
    """`CompressedGradient`, which sends C(∇f_i), or `CompressedStep`, which sends C(γ ∇f_i)."""

    def __init__(self, worker: CompressedGradient | CompressedStep, workers: int) -> None:
        del workers
        self._kind = type(worker)

    def message(self, ranks: Ranks, gradients: Floats, step: Step, compress: CompressRows) -> Table:
        if self._kind is CompressedStep:
            gradients *= step.step_size
        return compress(gradients)

    def worker(self, rank: int) -> CompressedGradient | CompressedStep:
        return self._kind()


CROWDS: dict[type[Worker], Callable[..., Crowd]] = {
    MarkovWorker: Markov,
    ErrorFeedback: Feedback,
    CompressedGradient: Stateless,
    CompressedStep: Stateless,
}


def crowd(worker: Worker, workers: int) -> Crowd | None:
    """The crowd of n ``workers`` that begin as this one; None where there is none of its class."""
    made = CROWDS.get(type(worker))
    return None if made is None else made(worker, workers)


def _vector(kept: Kept, rank: int) -> torch.Tensor:
    return torch.from_numpy(kept.of(np.array([rank]))[0].copy())
