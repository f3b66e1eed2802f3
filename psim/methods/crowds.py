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

from psim.compressors.tables import Select
from psim.methods.base import Worker
from psim.methods.dcgd import CompressedGradient
from psim.methods.ef import CompressedStep, ErrorFeedback
from psim.methods.ef21 import MarkovWorker
from psim.step import Step
from psim.tables import Table
from psim.vectors import torch

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]


class CompressRows:
    """A compressor of tables, and the type on the wire: what it returns is what arrives."""

    def __init__(self, select: Select, dtype: torch.dtype) -> None:
        self._select, self._dtype = select, dtype

    def __call__(self, vectors: Floats) -> Table:
        """C of each row."""
        indices = self._select(vectors)
        if indices is None:
            return self.whole(vectors)
        values = torch.from_numpy(vectors[np.arange(len(vectors))[:, None], indices])
        return Table(vectors.shape[1], values.to(self._dtype), torch.from_numpy(indices))

    def whole(self, vectors: Floats) -> Table:
        """Each row uncompressed, in memory of its own."""
        return Table(vectors.shape[1], torch.from_numpy(vectors).to(self._dtype, copy=True))

    def nothing(self, vectors: Floats) -> Table:
        """No entry of any row."""
        count, size = vectors.shape
        return Table(
            size,
            torch.empty((count, 0), dtype=self._dtype),
            torch.empty((count, 0), dtype=torch.int64),
        )


class Kept:
    """A vector of ``size`` entries for each of n ``workers``, all 0 at first. A rank's takes memory
    from its first change on; row 0 stands for all ranks that have had none.
    """

    def __init__(self, workers: int, size: int) -> None:
        self._slots = np.zeros(workers, dtype=np.int32)
        self._rows = np.zeros((1, size))
        self._used = 1

    def of(self, ranks: Ranks) -> Floats:
        """Copies of the ranks' vectors, one a row."""
        rows: Floats = self._rows[self._slots[ranks]]
        return rows

    def add(self, ranks: Ranks, sent: Table) -> None:
        """Add to each rank's vector its payload; ranks are there once."""
        slots, values = self._own(ranks), sent.values.to(torch.float64).numpy()
        if sent.indices is None:
            self._rows[slots] += values
        else:
            self._rows[slots[:, None], sent.indices.numpy()] += values

    def replace(self, ranks: Ranks, rows: Floats) -> None:
        """These are the ranks' vectors now."""
        self._rows[self._own(ranks)] = rows

    def _own(self, ranks: Ranks) -> NDArray[np.int32]:
        """Where the ranks' vectors are, with room made for those that had none."""
        new = ranks[self._slots[ranks] == 0]
        used = self._used + len(new)
        if used > len(self._rows):
            # Memory that grows in place, by some more than is needed now.
            self._rows.resize((used + used // 8, self._rows.shape[1]), refcheck=False)
        self._slots[new] = np.arange(self._used, used)
        self._used = used
        return self._slots[ranks]


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
            gradients -= self._kept.of(ranks)
            sent = compress(gradients)
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
        errors = self._kept.of(ranks)
        gradients *= step.step_size
        errors += gradients
        sent = compress(errors)
        values = sent.values.to(torch.float64).numpy()
        if sent.indices is None:
            errors -= values
        else:
            errors[np.arange(len(ranks))[:, None], sent.indices.numpy()] -= values
        self._kept.replace(ranks, errors)
        return sent

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
