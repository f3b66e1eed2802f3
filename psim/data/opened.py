"""A problem with its data: where pieces of config and files on disk become functions of x."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.data import arrays
from psim.data.partition import partition
from psim.data.read import read_rows
from psim.errors import ConfigError, UsageError
from psim.problems.base import ArrayProblem, DataProblem, Problem, Share, Shares, SmoothShare
from psim.problems.batched import Batched, Cut, OneByOne
from psim.problems.examples import Task
from psim.problems.network import Network
from psim.problems.pool import Pool
from psim.problems.quadratic import QuadraticShares
from psim.problems.samples import SampleShares
from psim.registry import Piece
from psim.segments import Segments, whole
from psim.vectors import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psim.problems.learning.given import TorchProblem


class Smoothness(NamedTuple):
    """L of all samples alike, L of f = (1/n) Σ f_i, and every L_i in rank order.

    ``chosen`` is the one of the first two that the step-size rules take (`Problem.smoothness`).
    """

    pooled: float
    exact: float
    local: tuple[float, ...]
    chosen: float


class Opened(ABC):
    """A problem with its data: n shares, and what is known of f.

    Nothing is computed before it is asked for: a worker process pays for its own ranks only.
    """

    def __init__(
        self,
        problem: Problem,
        workers: int,
        size: int,
        rows: int | None,
        native: str = "float64",
        task: Task | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.problem = problem
        """With every parameter that is relative to the data as a number."""
        self.workers = workers
        self.size = size
        """d."""
        self.rows = rows
        """N; None where there are no samples. Those of a pool count as often as they are drawn."""
        self.native = native
        """The type of x and of gradients."""
        self.task = task
        """What a test is of; None where nothing is tested."""
        self.device = device or torch.device("cpu")
        """Where gradients are computed."""
        self.averaged = False
        """Whether what ranks keep beside x is averaged before a test."""
        self.note = ""
        """What a reader of the results must know of the data."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what was read, however the file is packed; hexadecimal."""
        digest = hashlib.sha256(b"psim data 1")
        for part in self.content():
            data = part if isinstance(part, bytes) else np.ascontiguousarray(part).data.cast("B")
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
        return digest.hexdigest()

    @property
    def segments(self) -> Segments:
        """The layers of x; one for problems without layers."""
        return whole(self.size)

    @property
    def per_epoch(self) -> int | None:
        """⌈N/(n b)⌉: the rounds in which n minibatches have as many samples as there are; 1 where
        all are used in every round, and None where there are none.
        """
        if self.rows is None:
            return None
        batch = self.problem.batch
        return 1 if batch == "full" else -(-self.rows // (self.workers * batch))

    def share(self, rank: int) -> Share:
        """f_i of worker ``rank``, built anew each time."""
        if not 0 <= rank < self.workers:
            raise UsageError(f"rank {rank} is not among the ranks 0 to {self.workers - 1}")
        return self._share(rank)

    def initial_point(self) -> torch.Tensor:
        """The problem's own x^0, of the type `native`; shape (d,)."""
        return torch.zeros(self.size, dtype=getattr(torch, self.native))

    def f_star(self) -> float | None:
        """f* as the config has it: its number, computed, or None."""
        if self.problem.f_star == "compute":
            return self.minimum()[1]
        return self.problem.f_star

    def lower_bound(self) -> float | None:
        """A number that no f_i falls below, where one is known."""
        return self.problem.lower_bound()

    def let_go(self) -> None:
        """Free what only `initial_point` needs: workers are sent x^0."""
        return  # psim's own problems need nothing for it

    def try_out(self) -> None:
        """Raise ConfigError where the problem can't be differentiated on its data."""
        return  # psim's own problems can

    @abstractmethod
    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        """What defines the data, for their fingerprint."""

    @abstractmethod
    def smoothness(self) -> Smoothness | None:
        """All smoothness constants, computed once; None where nobody knows them."""

    @abstractmethod
    def minimum(self) -> tuple[NDArray[np.float64], float]:
        """(x*, f*) of f, to rounding; computed once. ConfigError where f* can't be computed."""

    @abstractmethod
    def pl_constant(self) -> float | None:
        """μ of the PL inequality for the f that ``smoothness`` chooses, where one is known."""

    @abstractmethod
    def _share(self, rank: int) -> Share:
        """f_i of a rank that is there."""


class OpenedProblem(Opened):
    """A smooth problem, of which L and, where it is convex, x* can be computed."""

    def __init__(self, problem: Problem, shares: Shares, workers: int) -> None:
        super().__init__(problem, workers, shares.size, shares.rows)
        self._shares = shares

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        return self._shares.content()

    def batched(self, ranks: range | None = None) -> Batched:
        """All shares at once, or those of ``ranks``: in the problem's own way, or one after
        another.
        """
        shares, found = self._shares, None
        if isinstance(shares, SampleShares | QuadraticShares):
            found = shares.batched(ranks)
        return OneByOne(self.share) if found is None else found

    def pooled(self) -> SmoothShare:
        """The mean over all samples alike, as published; not f where shares are uneven."""
        return self._shares.pooled()

    def mean(self) -> SmoothShare:
        """f = (1/n) Σ f_i as one function."""
        return self._shares.mean()

    def smoothness(self) -> Smoothness:
        return self._smoothness

    def minimum(self) -> tuple[NDArray[np.float64], float]:
        return self._minimum

    def pl_constant(self) -> float | None:
        f = self.mean() if self.problem.smoothness == "exact" else self.pooled()
        return self.problem.pl_constant(f)

    def _share(self, rank: int) -> Share:
        return self._shares.share(rank)

    @cached_property
    def _smoothness(self) -> Smoothness:
        pooled, exact = self.pooled().smoothness(), self.mean().smoothness()
        local = tuple(self._shares.share(rank).smoothness() for rank in range(self.workers))
        return Smoothness(
            pooled, exact, local, exact if self.problem.smoothness == "exact" else pooled
        )

    @cached_property
    def _minimum(self) -> tuple[NDArray[np.float64], float]:
        return self.problem.minimum(self.mean())


@dataclass(frozen=True, slots=True)
class Local:
    """What a process has of its own: the device on which networks compute, and the module and data
    that were brought from Python, where a config says ``given``.
    """

    device: str = "cpu"
    given: TorchProblem | None = None


HERE = Local()


def open_problem(problem: Piece, workers: int, seed: int, local: Local = HERE) -> Opened:
    """The problem on its data, split among n ``workers``; ``seed`` is the run's.

    DataError where the data are missing, damaged, or too few for so many workers.
    """
    if isinstance(problem, Network):
        from psim.data.networks import OpenedNetwork

        return OpenedNetwork(problem, workers, seed, local)
    if local.device != "cpu":
        raise ConfigError(
            f"--device {local.device}: problem {problem.name} computes on the CPU, and networks on "
            "any device: use --device cpu"
        )
    if isinstance(problem, DataProblem):
        rows = read_rows(problem.dataset, problem.dimension)
        cuts: Sequence[Cut]
        if problem.partition == "pool":
            assert problem.rows is not None, "the config is complete"
            cuts = Pool(rows.count, problem.rows, workers, seed)
        else:
            cuts = partition(rows.count, workers, problem.partition, seed)
        _check_batch(problem, problem.rows or rows.count // workers)
        settled = problem.settled(rows)
        return OpenedProblem(settled, SampleShares(settled, rows, cuts), workers)
    if isinstance(problem, ArrayProblem):
        found = {} if problem.file is None else arrays.read(Path(problem.file))
        return OpenedProblem(problem, problem.shares(found, workers, seed), workers)
    raise UsageError(f"{type(problem).__name__} is no DataProblem, ArrayProblem or Network")


def _check_batch(problem: DataProblem, rows: int) -> None:
    """Raises ConfigError where a minibatch would be more than a worker has."""
    if problem.batch != "full" and problem.batch > rows:
        raise ConfigError(
            f"{problem.batch} exceeds the {rows} samples that a worker has: use batch <= {rows}, "
            "or full",
            "problem.batch",
        )
