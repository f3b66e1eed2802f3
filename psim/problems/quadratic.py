"""Quadratics: f_i(x) = ½ xᵀA_i x - b_iᵀx, drawn from a seed or read from a file.

Drawn ones have spectra inside [μ, L] and differ among workers as much as ``heterogeneity`` says,
from 0 (all alike) to 1::

    A_i = (1 - h) A + h A'_i      A and A'_i: μ to L evenly spaced, in random orthogonal bases
    b_i = A_i (c + h z_i)         c and z_i: normal, of length about 1; c + h z_i minimizes f_i

A file is an .npz with ``A`` (n, d, d), each A_i symmetric but free to be indefinite, and ``b``
(n, d).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from psim import random
from psim.errors import ConfigError, DataError
from psim.paths import FilePath
from psim.problems.base import ArrayProblem, SmoothShare
from psim.problems.batched import KEPT, Ranks
from psim.problems.batches import Batch
from psim.problems.products import aligned
from psim.problems.spectrum import eigenvalues, smallest_nonzero
from psim.threads import one_thread
from psim.vectors import torch

Array = NDArray[np.float64]

DRAWN = {"dimension": 100, "mu": 0.1, "L": 1.0, "heterogeneity": 1.0}
"""The defaults of what is drawn; with ``path`` these keys are errors."""


class Quadratic(ArrayProblem):
    """Quadratics ½ xᵀA_i x - b_iᵀx, from a seed or a file."""

    name = "quadratic"

    dimension: int | None = Field(None, ge=1, le=20_000)
    mu: float | None = Field(None, gt=0)
    L: float | None = Field(None, gt=0)
    heterogeneity: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**63)
    path: FilePath | None = None

    @model_validator(mode="before")
    @classmethod
    def _drawn_or_read(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        given = {key: value for key, value in values.items() if value is not None}
        if given.get("path") is None:
            return {**DRAWN, **given}
        for key in (*DRAWN, "seed"):
            if key in given:
                raise ConfigError("the file of path says all: leave this key out", key)
        return values

    @model_validator(mode="after")
    def _ordered(self) -> Quadratic:
        if self.mu is not None and self.L is not None and self.mu > self.L:
            raise ConfigError(f"{self.mu} exceeds L = {self.L}: use mu <= L", "mu")
        return self

    @property
    def convex(self) -> bool:
        """Drawn ones are; f of a file may be, and `minimum` sees whether it is."""
        return True

    @property
    def file(self) -> str | None:
        return self.path

    def pl_constant(self, f: SmoothShare) -> float | None:
        """The smallest non-zero eigenvalue of A, for convex f."""
        values = eigenvalues(f.hessian(torch.zeros(f.size, dtype=torch.float64)))
        return None if _indefinite(values) else smallest_nonzero(values, len(values))

    def minimum(self, f: SmoothShare) -> tuple[Array, float]:
        values = eigenvalues(f.hessian(torch.zeros(f.size, dtype=torch.float64)))
        if _indefinite(values):
            raise ConfigError(
                f"A has the eigenvalue {values[0]:.3g}, so f falls without end: "
                "f* exists where the mean of the A_i has none below 0",
                "problem.f_star",
            )
        return super().minimum(f)

    def shares(
        self, arrays: Mapping[str, NDArray[np.generic]], workers: int, seed: int
    ) -> QuadraticShares:
        if self.path is not None:
            return GivenQuadratics(*_checked(arrays, workers, self.path))
        return DrawnQuadratics(self, workers, seed if self.seed is None else self.seed)


class QuadraticShares(ABC):
    """n pairs (A_i, b_i). f is their mean, and there are no samples to pool: pooled is f too."""

    rows: int | None = None

    def __init__(self, size: int, workers: int) -> None:
        self.size, self._workers = size, workers

    @abstractmethod
    def pair(self, rank: int) -> tuple[Array, Array]:
        """A_i (d, d) and b_i (d,)."""

    @abstractmethod
    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        """What defines them."""

    def share(self, rank: int) -> QuadraticShare:
        return QuadraticShare(*self.pair(rank))

    def batched(self, ranks: range | None = None) -> BatchedQuadratics:
        """All shares, or those of ``ranks``, in one call."""
        del ranks  # each is made when it is first asked for
        return BatchedQuadratics(self)

    def pooled(self) -> QuadraticShare:
        return self.mean()

    def mean(self) -> QuadraticShare:
        matrix, vector = np.zeros((self.size, self.size)), np.zeros(self.size)
        for rank in range(self._workers):
            pair = self.pair(rank)
            matrix += pair[0]
            vector += pair[1]
        return QuadraticShare(matrix / self._workers, vector / self._workers)


class GivenQuadratics(QuadraticShares):
    """Those of a file: ``matrices`` (n, d, d), ``vectors`` (n, d)."""

    def __init__(self, matrices: Array, vectors: Array) -> None:
        super().__init__(vectors.shape[1], len(vectors))
        self._matrices, self._vectors = matrices, vectors

    def pair(self, rank: int) -> tuple[Array, Array]:
        return self._matrices[rank], self._vectors[rank]

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        header = f"quadratics {self._vectors.shape}".encode()
        return header, self._matrices.astype("<f8"), self._vectors.astype("<f8")


class DrawnQuadratics(QuadraticShares):
    """Those of a seed."""

    def __init__(self, problem: Quadratic, workers: int, seed: int) -> None:
        drawn = (problem.dimension, problem.mu, problem.L, problem.heterogeneity)
        size, smallest, largest, heterogeneity = drawn
        assert size is not None
        assert smallest is not None
        assert largest is not None
        assert heterogeneity is not None
        super().__init__(size, workers)
        self._smallest, self._largest, self._heterogeneity = smallest, largest, heterogeneity
        self._seed = seed

    def pair(self, rank: int) -> tuple[Array, Array]:
        share = self._heterogeneity
        common, center = self._common
        own, offset = self._draw(rank)
        matrix = (1.0 - share) * common + share * own
        with one_thread():
            vector: Array = matrix @ (center + share * offset)
        return matrix, vector

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        """The parameters: the arrays follow from them, up to a machine's rounding."""
        drawn = (self.size, self._smallest, self._largest, self._heterogeneity)
        return (f"drawn quadratics {drawn} {self._workers} {self._seed}".encode(),)

    @cached_property
    def _common(self) -> tuple[Array, Array]:
        return self._draw(random.SHARED)

    def _draw(self, rank: int) -> tuple[Array, Array]:
        """A symmetric matrix of the wanted spectrum, and a vector of length about 1."""
        draws = random.generator(self._seed, "problem", rank)
        with one_thread():
            basis, triangle = np.linalg.qr(draws.standard_normal((self.size, self.size)))
            basis *= np.sign(np.diag(triangle))
            spectrum = np.linspace(self._smallest, self._largest, self.size)
            matrix = (basis * spectrum) @ basis.T
        return (matrix + matrix.T) / 2.0, draws.standard_normal(self.size) / np.sqrt(self.size)


class QuadraticShare:
    """½ xᵀA x - bᵀx."""

    def __init__(self, matrix: Array, vector: Array) -> None:
        self.size, self.rows = len(vector), None
        self._matrix, self._vector = aligned(matrix), aligned(vector)
        self._x = aligned(np.zeros(self.size))

    def loss(self, x: torch.Tensor, batch: Batch | None = None) -> float:
        assert batch is None, "there are no samples"
        return self._loss(x.numpy(), self.curvature(x.numpy()))

    def gradient(self, x: torch.Tensor, batch: Batch | None = None) -> torch.Tensor:
        assert batch is None, "there are no samples"
        return torch.from_numpy(self.gradient_at(x.numpy()))

    def gradient_at(self, x: Array) -> Array:
        """A x - b."""
        found = self.curvature(x)
        found -= self._vector
        return found

    def loss_and_gradient(
        self, x: torch.Tensor, batch: Batch | None = None
    ) -> tuple[float, torch.Tensor]:
        assert batch is None, "there are no samples"
        product = self.curvature(x.numpy())
        return self._loss(x.numpy(), product), torch.from_numpy(product - self._vector)

    def smoothness(self) -> float:
        """The largest |eigenvalue| of A."""
        return float(np.max(np.abs(eigenvalues(self._matrix))))

    def curvature(self, v: Array) -> Array:
        """A v: the Hessian itself, of whatever sign."""
        np.copyto(self._x, v)
        with one_thread():
            product: Array = self._matrix @ self._x
        return product

    def hessian(self, x: torch.Tensor) -> Array:
        del x
        return self._matrix

    def _loss(self, x: Array, product: Array) -> float:
        return float(np.sum(x * (0.5 * product - self._vector)))


class BatchedQuadratics:
    """`batched.Batched`, without a tensor for each rank."""

    def __init__(self, shares: QuadraticShares) -> None:
        self._share = lru_cache(maxsize=KEPT)(shares.share)

    def gradients(self, x: torch.Tensor, ranks: Ranks) -> Array:
        point = x.numpy()
        return np.array([self._share(rank).gradient_at(point) for rank in ranks.tolist()])

    def losses(self, x: torch.Tensor, ranks: Ranks) -> Array:
        return np.array([self._share(rank).loss(x) for rank in ranks.tolist()])


def _indefinite(values: Array) -> bool:
    """Whether ascending eigenvalues go below 0 by more than rounding."""
    return bool(values[0] < -1e-12 * max(abs(values[0]), abs(values[-1])))


def _checked(
    arrays: Mapping[str, NDArray[np.generic]], workers: int, path: str
) -> tuple[Array, Array]:
    """A and b of the file as float64. DataError names what is wrong with them."""
    missing = {"A", "b"} - set(arrays)
    if missing:
        raise DataError(f"{path}: no array {min(missing)}: save A (n, d, d) and b (n, d)")
    for key in ("A", "b"):
        if arrays[key].dtype.kind not in "iuf" or not np.all(np.isfinite(arrays[key])):
            raise DataError(f"{path}: {key} holds what is no finite real number")
    matrices = np.asarray(arrays["A"], dtype=np.float64)
    vectors = np.asarray(arrays["b"], dtype=np.float64)
    square = (*vectors.shape, *vectors.shape[-1:])
    if vectors.ndim != 2 or 0 in vectors.shape or matrices.shape != square:
        raise DataError(
            f"{path}: A has shape {matrices.shape} and b {vectors.shape}: use (n, d, d) and (n, d)"
        )
    if len(vectors) != workers:
        raise DataError(
            f"{path}: has {len(vectors)} quadratics for {workers} workers: set workers: "
            f"{len(vectors)}, or save one quadratic a worker"
        )
    for rank, matrix in enumerate(matrices):
        if not np.array_equal(matrix, matrix.T):
            raise DataError(f"{path}: A[{rank}] is not symmetric: save (A + A^T)/2")
    return matrices, vectors
