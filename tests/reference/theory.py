"""The constants, step sizes and bounds of the EF21 paper's Section 4.5.

`alpha` is the compressor's contraction (equation 3); `smoothness` is L, of f; `mean_smoothness`
is L-tilde, of the f_i.
"""

import numpy as np

from reference.trajectory import Array


def theta(alpha: float) -> float:
    """1 - sqrt(1 - alpha)."""
    return float(1.0 - np.sqrt(1.0 - alpha))


def beta(alpha: float) -> float:
    """(1 - alpha) / (1 - sqrt(1 - alpha))."""
    return (1.0 - alpha) / theta(alpha)


def root_ratio(alpha: float) -> float:
    """sqrt(beta/theta) = (1 + sqrt(1 - alpha)) / alpha - 1.

    The line after Theorem 2. The first expression printed in equation (26) is wrong.
    """
    return float((1.0 + np.sqrt(1.0 - alpha)) / alpha - 1.0)


def quadratic_mean(constants: Array) -> float:
    """L-tilde = sqrt((1/n) sum_i L_i^2), from the n constants L_i."""
    return float(np.sqrt(np.mean(constants**2)))


def theorem_2_step_size(alpha: float, smoothness: float, mean_smoothness: float) -> float:
    """Return the largest gamma of equation (14): 1 / (L + L-tilde sqrt(beta/theta))."""
    return 1.0 / (smoothness + mean_smoothness * root_ratio(alpha))


def theorem_3_step_size(
    alpha: float, smoothness: float, mean_smoothness: float, pl_constant: float
) -> float:
    """Return the largest gamma of equation (16), `pl_constant` being mu of Assumption 2."""
    root = np.sqrt(2.0) * root_ratio(alpha)
    return float(
        min(1.0 / (smoothness + mean_smoothness * root), theta(alpha) / (2.0 * pl_constant))
    )


def distortion(local: Array, estimates: Array) -> float:
    """G^t = (1/n) sum_i ||grad f_i(x^t) - g_i^t||^2 (equation 13); both arguments are (n, d)."""
    return float(np.mean(np.sum((local - estimates) ** 2, axis=1)))


def theorem_2_bound(
    alpha: float, step_size: float, rounds: int, initial_gap: float, initial_distortion: float
) -> float:
    """Bound (1/T) sum_{t<T} ||grad f(x^t)||^2, from f(x^0) - f^inf and G^0 (equation 15)."""
    return 2.0 * initial_gap / (step_size * rounds) + initial_distortion / (theta(alpha) * rounds)


def lyapunov(alpha: float, step_size: float, gap: float, distortion_now: float) -> float:
    """Psi^t = f(x^t) - f(x^*) + (gamma/theta) G^t (Theorem 3)."""
    return gap + step_size / theta(alpha) * distortion_now


def theorem_3_bound(
    step_size: float, pl_constant: float, rounds: int, initial_lyapunov: float
) -> float:
    """Bound Psi^T by (1 - gamma mu)^T Psi^0 (equation 17)."""
    return (1.0 - step_size * pl_constant) ** rounds * initial_lyapunov
