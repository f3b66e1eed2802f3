"""Least squares (EF21, Appendix A.2): f_i(x) = (1/N_i) Σ_j (a_j·x - y_j)².

The gradient is of exactly this f, (2/N_i) A_iᵀ(A_i x - y), so L_i = 2 λmax(A_iᵀA_i)/N_i. f meets
the PL inequality with μ = 2 σ²/N for the smallest *non-zero* singular value σ of A: the published
data sets are rank-deficient, and σ_min = 0 would say nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.problems.base import DataProblem, SmoothShare
from psim.problems.newton import LARGEST_SIZE
from psim.problems.products import Products, products
from psim.problems.rows import Rows
from psim.problems.spectrum import eigenvalues, largest_of_gram, smallest_nonzero
from psim.vectors import torch

Array = NDArray[np.float64]


class LeastSquares(DataProblem):
    """Least squares: the mean of (a·x - y)², with labels y of -1 and +1."""

    name = "least_squares"
    paper = "EF21, Appendix A.2"

    @property
    def convex(self) -> bool:
        return True

    def lower_bound(self) -> float:
        """0: a mean of squares."""
        return 0.0

    def pl_constant(self, f: SmoothShare) -> float | None:
        """2 σ²/N, σ the smallest non-zero singular value. None where d is too large to tell."""
        return f.pl_constant() if isinstance(f, LeastSquaresShare) else None

    def share(self, rows: Rows) -> LeastSquaresShare:
        return LeastSquaresShare(rows)


class LeastSquaresShare:
    """The mean of squared residuals over some samples."""

    def __init__(self, rows: Rows) -> None:
        self.size = rows.size
        self._features: Products = products(rows.features)
        self._labels = rows.labels.copy()
        self._weights = 1.0 / rows.count if rows.weights is None else rows.weights

    def loss(self, x: torch.Tensor) -> float:
        return self._loss(self._residuals(x))

    def gradient(self, x: torch.Tensor, batch: None = None) -> torch.Tensor:
        del batch
        return self._gradient(self._residuals(x))

    def loss_and_gradient(self, x: torch.Tensor) -> tuple[float, torch.Tensor]:
        residuals = self._residuals(x)
        return self._loss(residuals), self._gradient(residuals)

    def smoothness(self) -> float:
        """2 λmax(A_iᵀA_i)/N_i."""
        return largest_of_gram(self._features, 2.0 * self._all_weights())

    def pl_constant(self) -> float | None:
        """The smallest non-zero eigenvalue of the Hessian; None where d is too large to tell."""
        if self.size > LARGEST_SIZE:
            return None
        values = eigenvalues(self._features.gram(2.0 * self._all_weights()))
        return smallest_nonzero(values, max(self._features.rows, self.size))

    def curvature(self, v: Array) -> Array:
        """(2/N_i) A_iᵀA_i v: the Hessian itself."""
        return self._features.transposed_times(2.0 * self._weights * self._features.times(v))

    def hessian(self, x: torch.Tensor) -> Array:
        del x
        return self._features.gram(2.0 * self._all_weights())

    def _residuals(self, x: torch.Tensor) -> Array:
        residuals = self._features.times(x.numpy())
        residuals -= self._labels
        return residuals

    def _loss(self, residuals: Array) -> float:
        return float(np.sum(self._weights * residuals * residuals))

    def _gradient(self, residuals: Array) -> torch.Tensor:
        scaled = (2.0 * self._weights) * residuals
        return torch.from_numpy(self._features.transposed_times(scaled))

    def _all_weights(self) -> Array:
        return np.broadcast_to(np.asarray(self._weights), (self._features.rows,))
