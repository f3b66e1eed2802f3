"""What a problem is: f = (1/n) sum_i f_i, and a worker's share f_i of it.

A `Problem` is the config's piece: a name and parameters. It makes a `Share` from arrays, and opens
no file: `psim.data.opened.open_problem` brings problem and data together. Most problems are sums
over the samples of a data set: they derive from `DataProblem` and say what f_i is for given rows.
Others derive from `ArrayProblem` and make their shares from a seed or from the arrays of one file.

To add a problem, write one file in this folder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from psim.errors import ConfigError
from psim.problems.batches import Batch, Batches, Sampling
from psim.problems.datasets import DatasetName
from psim.problems.rows import Rows
from psim.registry import Piece
from psim.vectors import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psim.problems.batched import Batched, Cut
    from psim.step import Step

Array = NDArray[np.float64]


class Share(Protocol):
    """A function of x: one worker's f_i, or f itself.

    Its results are the same to the bit for the same data, in whatever process and with however many
    threads it is evaluated.
    """

    @property
    def size(self) -> int:
        """d: the length of x."""

    @property
    def rows(self) -> int | None:
        """N_i: how many samples it is a mean over; None where there are none."""

    def loss(self, x: torch.Tensor, batch: Batch | None = None) -> float:
        """f_i(x), or of the mean over a minibatch of its rows; x has shape (d,)."""

    def gradient(self, x: torch.Tensor, batch: Batch | None = None) -> torch.Tensor:
        """∇f_i(x), or of the mean over a minibatch, freshly allocated; shape (d,), float64."""

    def loss_and_gradient(
        self, x: torch.Tensor, batch: Batch | None = None
    ) -> tuple[float, torch.Tensor]:
        """Both at the cost of little more than one; the same bits as from the two calls."""


@runtime_checkable
class TrainedShare(Share, Protocol):
    """A share of a network: its minibatch gradients draw (dropout, augmentation), and bring the
    loss with them. It may be tested.
    """

    def statistics(self) -> torch.Tensor:
        """What a rank keeps beside x (BatchNorm's running means and variances), of x's type."""

    def take_statistics(self, values: torch.Tensor) -> None:
        """Go on with these in the place of the rank's own."""

    def begin(self, step: Step) -> None:
        """What minibatches draw from here on is that of the rank in the round."""

    def test(self, x: torch.Tensor, part: int, parts: int) -> tuple[float, float, int]:
        """Of part number ``part`` of the test set: the sums of the loss and of what the task
        scores, and over how many.
        """


class SmoothShare(Share, Protocol):
    """A share of which L_i is known, and that has second derivatives, as a small enough convex
    problem needs for f*.
    """

    def smoothness(self) -> float:
        """L_i: a Lipschitz constant of ∇f_i (EF21, Assumption 1), the smallest that is known."""

    def curvature(self, v: Array) -> Array:
        """H_i v for the constant symmetric H_i that bounds the Hessian of f_i; v has shape (d,).

        ∇²f_i(x) ≼ H_i at every x, and L_i = max |λ(H_i)|.
        """

    def hessian(self, x: torch.Tensor) -> Array:
        """∇²f_i(x); shape (d, d)."""


class Shares(Protocol):
    """f's n shares. Each is built when it is asked for: a worker process asks for its own only."""

    @property
    def size(self) -> int:
        """d."""

    @property
    def rows(self) -> int | None:
        """N: how many samples there are in all; None where there are none."""

    def share(self, rank: int) -> SmoothShare:
        """f_i of worker ``rank``."""

    def pooled(self) -> SmoothShare:
        """The mean over all samples: f as papers publish its L. Not f where shares are uneven."""

    def mean(self) -> SmoothShare:
        """f = (1/n) sum_i f_i as one function: every worker weighs 1/n."""

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        """What defines the data, for their fingerprint: little-endian arrays and labels."""


def _batch(value: object) -> object:
    if value != "full" and (type(value) is not int or value < 1):
        raise ConfigError(f"{value!r}: give a number of samples from 1, or full")
    return value


BatchSize = Annotated[int | Literal["full"], BeforeValidator(_batch)]


class Problem(Piece, ABC):
    """What is optimized.

    ``smoothness`` chooses the L of the step-size rules: ``pooled``, of all samples alike, as
    published, or ``exact``, of f with its equal weights. ``f_star`` is f's minimum, where known: a
    number, or ``compute`` for convex problems. ``batch``: how many samples a worker differentiates
    in a round, drawn as ``sampling`` says (`psim.problems.batches`; without replacement by
    default).
    """

    smoothness: Literal["pooled", "exact"] = "pooled"
    f_star: Literal["compute"] | Annotated[float, Field(allow_inf_nan=False)] | None = None
    batch: BatchSize = "full"
    sampling: Sampling | None = None

    @model_validator(mode="after")
    def _sampled(self) -> Self:
        if self.batch == "full" and self.sampling is not None:
            raise ConfigError(
                f"{self.sampling!r} says how minibatches are drawn, and batch is full: leave "
                "sampling out, or give batch: a number of samples",
                "sampling",
            )
        return self

    def batches(self, seed: int) -> Batches | None:
        """The minibatches of a run of that seed; None where all samples are used."""
        if self.batch == "full":
            return None
        return Batches(self.batch, self.sampling or "epoch", seed)

    @property
    @abstractmethod
    def convex(self) -> bool:
        """Whether f is convex whatever the data."""

    def lower_bound(self) -> float | None:
        """A number that no f_i falls below, where one is known without computing it."""
        return None

    def pl_constant(self, f: SmoothShare) -> float | None:
        """μ of the Polyak-Łojasiewicz inequality (EF21, Assumption 2) for f, where one is known."""
        return None

    def minimum(self, f: SmoothShare) -> tuple[Array, float]:
        """(x*, f(x*)) to rounding. ConfigError where f is not convex or has no minimizer."""
        from psim.problems.newton import minimize

        self.check_convex()
        return minimize(f)

    def check_convex(self) -> None:
        """Raise ConfigError where f may have many minima."""
        if not self.convex:
            raise ConfigError(
                f"f of {self.name} may have many minima, so psim can't compute f*: "
                "give f_star: a number, or leave it out",
                "problem.f_star",
            )


class DataProblem(Problem):
    """A mean over the samples of a data set, which are split among the workers; or, with
    ``partition: pool``, of which each worker draws ``rows`` (`psim.problems.pool`).
    """

    dataset: DatasetName
    partition: Literal["contiguous", "shuffled", "pool"] = "contiguous"
    rows: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    dimension: Annotated[int, Field(ge=1, lt=2**31)] | None = None

    @model_validator(mode="after")
    def _pooled(self) -> Self:
        if (self.rows is not None) != (self.partition == "pool"):
            raise ConfigError(
                "rows goes with partition: pool, which needs it: how many rows each worker draws",
                "rows",
            )
        return self

    @abstractmethod
    def share(self, rows: Rows) -> SmoothShare:
        """f_i for these samples."""

    def settled(self, pooled: Rows) -> Self:
        """The problem with every parameter that is relative to the data as a number."""
        return self

    def batched(self, pooled: Rows, cuts: Sequence[Cut]) -> Batched | None:
        """All shares at once, where the problem has a faster form of that; share i has the rows
        ``cuts[i]``.
        """
        return None


class ArrayProblem(Problem):
    """A problem whose shares come from a seed, or from the arrays of one file."""

    @model_validator(mode="after")
    def _without_samples(self) -> Self:
        if self.batch != "full":
            raise ConfigError(
                f"{self.batch}: problem {self.name} has no samples to take a minibatch of: use "
                "batch: full",
                "batch",
            )
        return self

    @property
    @abstractmethod
    def file(self) -> str | None:
        """The .npz file to read, as an absolute path; None where a seed makes the arrays."""

    @abstractmethod
    def shares(self, arrays: Mapping[str, NDArray[np.generic]], workers: int, seed: int) -> Shares:
        """The n shares; ``seed`` is the run's. DataError where the file's arrays don't do."""


BASE = Problem
