"""Losses, gradients and smoothness constants of one worker's share f_i, from the formulas.

`features` is worker i's dense matrix A_i, (N_i, d), a row a_j for each sample; `labels` is
(N_i,), entries +1 or -1 for logistic regression. Smoothness constants L_i bound the Lipschitz
constant of grad f_i (EF21, Assumption 1).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.trajectory import Array


class Regularizer(NamedTuple):
    """r(x), its gradient, and a bound on the absolute curvature it adds to L_i."""

    value: Callable[[Array], float]
    gradient: Callable[[Array], Array]
    curvature: float


def nonconvex(strength: float) -> Regularizer:
    """Return lambda sum_j x_j^2 / (1 + x_j^2) (EF21, equation 18).

    One term's second derivative, 2 (1 - 3 x^2) / (1 + x^2)^3, lies in [-1/2, 2].
    """
    return Regularizer(
        lambda x: strength * float(np.sum(x**2 / (1.0 + x**2))),
        lambda x: strength * 2.0 * x / (1.0 + x**2) ** 2,
        2.0 * strength,
    )


def l2(strength: float) -> Regularizer:
    """Return (mu/2) ||x||^2."""
    return Regularizer(lambda x: 0.5 * strength * float(x @ x), lambda x: strength * x, strength)


def unregularized() -> Regularizer:
    """Return r = 0."""
    return Regularizer(lambda _: 0.0, np.zeros_like, 0.0)


def logistic_loss(x: Array, features: Array, labels: Array, regularizer: Regularizer) -> float:
    """(1/N_i) sum_j log(1 + exp(-y_j a_j.x)) + r(x)."""
    margins = labels * (features @ x)
    return float(np.mean(np.logaddexp(0.0, -margins)) + regularizer.value(x))


def logistic_gradient(x: Array, features: Array, labels: Array, regularizer: Regularizer) -> Array:
    """-(1/N_i) sum_j y_j sigma(-y_j a_j.x) a_j + grad r(x)."""
    margins = labels * (features @ x)
    # 1 / (1 + exp(m)) as an exponential of a log: neither end overflows.
    weights = np.exp(-np.logaddexp(0.0, margins))
    return -features.T @ (labels * weights) / labels.size + regularizer.gradient(x)


def logistic_smoothness(features: Array, regularizer: Regularizer) -> float:
    """lambda_max(A_i^T A_i) / (4 N_i) + the regularizer's curvature."""
    return _largest_eigenvalue(features) / (4.0 * len(features)) + regularizer.curvature


def least_squares_loss(x: Array, features: Array, labels: Array) -> float:
    """(1/N_i) sum_j (a_j.x - y_j)^2 (EF21, Appendix A.2)."""
    return float(np.mean((features @ x - labels) ** 2))


def least_squares_gradient(x: Array, features: Array, labels: Array) -> Array:
    """(2/N_i) A_i^T (A_i x - y)."""
    return 2.0 * features.T @ (features @ x - labels) / labels.size


def least_squares_smoothness(features: Array) -> float:
    """2 lambda_max(A_i^T A_i) / N_i."""
    return 2.0 * _largest_eigenvalue(features) / len(features)


def quadratic_loss(x: Array, matrix: Array, vector: Array) -> float:
    """1/2 x^T A_i x - b_i^T x, with `matrix` A_i symmetric, (d, d), and `vector` b_i, (d,)."""
    return float(0.5 * x @ matrix @ x - vector @ x)


def quadratic_gradient(x: Array, matrix: Array, vector: Array) -> Array:
    """A_i x - b_i."""
    return matrix @ x - vector


def quadratic_smoothness(matrix: Array) -> float:
    """Return the largest |eigenvalue| of A_i."""
    return float(np.max(np.abs(np.linalg.eigvalsh(matrix))))


def split(samples: int, workers: int) -> list[slice]:
    """Give each worker floor(N/n) rows in file order, and the last one the remainder too.

    The paper's split (EF21, Section 5, Datasets).
    """
    size = samples // workers
    shares = [slice(i * size, (i + 1) * size) for i in range(workers - 1)]
    return [*shares, slice((workers - 1) * size, samples)]


def _largest_eigenvalue(features: Array) -> float:
    """lambda_max(A_i^T A_i), of the smaller of the two Gram matrices."""
    rows, columns = features.shape
    gram = features.T @ features if columns <= rows else features @ features.T
    return float(np.linalg.eigvalsh(gram)[-1])
