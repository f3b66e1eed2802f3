"""What logistic regression adds to its mean of losses."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Regularizer(Protocol):
    """r(x), separable over the coordinates."""

    @property
    def curvature(self) -> float:
        """A bound on |r''|, which it adds to L_i."""

    def value(self, x: Array) -> float:
        """r(x)."""

    def gradient(self, x: Array) -> Array:
        """∇r(x), freshly allocated."""

    def second(self, x: Array) -> Array:
        """The diagonal of ∇²r(x)."""


class Nonconvex:
    """λ Σ x_j²/(1 + x_j²) (EF21, equation 18).

    One term's second derivative, 2(1 - 3x²)/(1 + x²)³, lies in [-1/2, 2].
    """

    def __init__(self, lam: float) -> None:
        self._lam = lam
        self.curvature = 2.0 * lam

    def value(self, x: Array) -> float:
        squares = x * x
        return self._lam * float(np.sum(squares / (1.0 + squares)))

    def gradient(self, x: Array) -> Array:
        divisor = x * x
        divisor += 1.0
        divisor *= divisor
        term = (2.0 * self._lam) * x
        term /= divisor
        return term

    def second(self, x: Array) -> Array:
        squares = x * x
        return 2.0 * self._lam * (1.0 - 3.0 * squares) / (1.0 + squares) ** 3


class L2:
    """(μ/2) ‖x‖²."""

    def __init__(self, mu: float) -> None:
        self.curvature = mu

    def value(self, x: Array) -> float:
        return 0.5 * self.curvature * float(np.sum(x * x))

    def gradient(self, x: Array) -> Array:
        return self.curvature * x

    def second(self, x: Array) -> Array:
        return np.full_like(x, self.curvature)


class Unregularized:
    """0."""

    curvature = 0.0

    def value(self, _x: Array) -> float:
        return 0.0

    def gradient(self, x: Array) -> Array:
        return np.zeros_like(x)

    def second(self, x: Array) -> Array:
        return np.zeros_like(x)
