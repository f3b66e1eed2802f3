"""Logistic regression (EF21, equation 18), and its L_i as the authors' experiments compute them.

f_i(x) = (1/N_i) Σ_j log(1 + exp(-y_j a_j·x)) + r(x). The labels are folded into the rows once: with
B = diag(y) A the margins are B x, and the gradient is -(1/N_i) Bᵀ σ(-B x) + ∇r(x).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from psim.errors import ConfigError
from psim.problems.base import DataProblem, SmoothShare
from psim.problems.batched import Batched, Cut, batched_logistic
from psim.problems.batches import Batch
from psim.problems.products import Pair, Products, products, signed
from psim.problems.regularizers import L2, Nonconvex, Regularizer, Unregularized
from psim.problems.rows import Rows
from psim.problems.spectrum import largest_of_gram
from psim.registry import Model
from psim.vectors import torch

Array = NDArray[np.float64]


class Relative(Model):
    """A multiple of L of the unregularized problem over all samples."""

    relative: float = Field(gt=0)


class Logistic(DataProblem):
    """Logistic regression with the nonconvex regularizer, with l2, or with none."""

    name = "logistic"
    paper = "EF21, Section 5"

    regularizer: Literal["nonconvex", "l2", "none"] = "nonconvex"
    lam: float | None = Field(None, gt=0)
    mu: float | Relative | None = None

    @model_validator(mode="before")
    @classmethod
    def _default_strength(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("regularizer", "nonconvex") == "nonconvex":
            return {**values, "lam": 0.1 if values.get("lam") is None else values["lam"]}
        return values

    @field_validator("mu", mode="before")
    @classmethod
    def _strength(cls, value: object) -> object:
        if isinstance(value, dict) and set(value) == {"relative"}:
            value, given = value["relative"], value
        else:
            given = value
        if value is None or isinstance(value, Relative):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigError(f"{given!r}: give a number above 0, or {{relative: 1e-4}} of L")
        return given

    @model_validator(mode="after")
    def _one_strength(self) -> Self:
        if self.lam is not None and self.regularizer != "nonconvex":
            raise ConfigError(
                f"{self.lam} is the nonconvex regularizer's, and this one is {self.regularizer}: "
                "leave lam out",
                "lam",
            )
        if (self.mu is not None) != (self.regularizer == "l2"):
            raise ConfigError("mu goes with regularizer: l2, and regularizer: l2 needs it", "mu")
        if self.f_star == "compute" and not self.convex:
            raise ConfigError(
                "the nonconvex regularizer leaves many minima: give a number, or leave it out",
                "f_star",
            )
        return self

    @property
    def convex(self) -> bool:
        return self.regularizer != "nonconvex"

    def lower_bound(self) -> float:
        """0: no term falls below it."""
        return 0.0

    def pl_constant(self, f: SmoothShare) -> float | None:
        """μ with l2: f is strongly convex."""
        del f
        return self.mu if isinstance(self.mu, float) else None

    def settled(self, pooled: Rows) -> Self:
        """With μ as a number: L is λmax(AᵀA)/(4N)."""
        if not isinstance(self.mu, Relative):
            return self
        plain = LogisticShare(pooled, Unregularized())
        return self.model_copy(update={"mu": self.mu.relative * plain.smoothness()})

    def share(self, rows: Rows) -> LogisticShare:
        return LogisticShare(rows, self._regularizer())

    def batched(self, pooled: Rows, cuts: Sequence[Cut]) -> Batched | None:
        return batched_logistic(pooled, cuts, self._regularizer())

    def _regularizer(self) -> Regularizer:
        if self.lam is not None:
            return Nonconvex(self.lam)
        if self.mu is not None:
            assert isinstance(self.mu, float), "a relative mu is settled before shares are made"
            return L2(self.mu)
        return Unregularized()


class LogisticShare:
    """The mean loss over some samples, plus the regularizer.

    The gradient is right for margins of any size: exp may overflow to infinity there, and σ then is
    0 as it should be.
    """

    def __init__(self, rows: Rows, regularizer: Regularizer) -> None:
        self.size, self.rows = rows.size, rows.count
        self._signed: Products = products(signed(rows.features, rows.labels))
        self._weights = 1.0 / rows.count if rows.weights is None else rows.weights
        self._regularizer = regularizer

    def loss(self, x: torch.Tensor, batch: Batch | None = None) -> float:
        point, (taken, weights) = x.numpy(), self._on(batch)
        return self._loss(point, taken.times(point), weights)

    def gradient(self, x: torch.Tensor, batch: Batch | None = None) -> torch.Tensor:
        point, (taken, weights) = x.numpy(), self._on(batch)
        return self._gradient(point, taken.times(point), taken, weights)

    def loss_and_gradient(
        self, x: torch.Tensor, batch: Batch | None = None
    ) -> tuple[float, torch.Tensor]:
        point, (taken, weights) = x.numpy(), self._on(batch)
        margins = taken.times(point)
        loss = self._loss(point, margins, weights)
        return loss, self._gradient(point, margins, taken, weights)

    def smoothness(self) -> float:
        """λmax(A_iᵀA_i)/(4 N_i), plus the regularizer's 2λ or μ."""
        return (
            largest_of_gram(self._signed, 0.25 * self._all_weights()) + self._regularizer.curvature
        )

    def curvature(self, v: Array) -> Array:
        """H_i v with H_i = A_iᵀA_i/(4 N_i) + 2λI, or + μI."""
        scaled = 0.25 * self._weights * self._signed.times(v)
        return self._signed.transposed_times(scaled) + self._regularizer.curvature * v

    def hessian(self, x: torch.Tensor) -> Array:
        point = x.numpy()
        # σ(m)(1 - σ(m)) is even in m, and exp(-|m|) never overflows
        decay = np.exp(-np.abs(self._signed.times(point)))
        matrix = self._signed.gram(self._all_weights() * decay / (1.0 + decay) ** 2)
        return matrix + np.diag(self._regularizer.second(point))

    def _on(self, batch: Batch | None) -> tuple[Pair, Array | float]:
        """The rows and their weights: all, or a minibatch in which all weigh alike."""
        if batch is None:
            return self._signed, self._weights
        return self._signed.take(batch), 1.0 / len(batch)

    def _loss(self, point: Array, margins: Array, weights: Array | float) -> float:
        terms = np.log1p(np.exp(-np.abs(margins)))
        terms -= np.minimum(margins, 0.0)
        terms *= weights
        return float(np.sum(terms)) + self._regularizer.value(point)

    def _gradient(
        self, point: Array, margins: Array, taken: Pair, weights: Array | float
    ) -> torch.Tensor:
        """Overwrites the margins: σ(-m) is 1/(1 + exp(m))."""
        with np.errstate(over="ignore"):
            np.exp(margins, out=margins)
        margins += 1.0
        np.divide(weights, margins, out=margins)
        np.negative(margins, out=margins)
        gradient = taken.transposed_times(margins)
        gradient += self._regularizer.gradient(point)
        return torch.from_numpy(gradient)

    def _all_weights(self) -> Array:
        return np.broadcast_to(np.asarray(self._weights), (self._signed.rows,))
