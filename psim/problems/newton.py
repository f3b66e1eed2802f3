"""The minimum of a convex function, to rounding: Newton's method with backtracking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from psim.errors import ConfigError
from psim.threads import one_thread
from psim.vectors import torch

if TYPE_CHECKING:
    from psim.problems.base import SmoothShare

Array = NDArray[np.float64]

LARGEST_SIZE = 2000
"""d of the largest Hessian that is decomposed: a second or two a step."""
_ROUNDS = 200
_ROUNDING = float(np.finfo(np.float64).eps)


def minimize(f: SmoothShare) -> tuple[Array, float]:
    """(x*, f(x*)), from x = 0; x* has shape (d,).

    Of several minimizers, the one that Newton's least steps lead to. ConfigError where f has none,
    or d is too large.
    """
    if f.size > LARGEST_SIZE:
        raise _refusal(f"d = {f.size} exceeds the {LARGEST_SIZE} up to which psim computes f*")
    x = np.zeros(f.size)
    value, gradient = _evaluate(f, x)
    scale = f.smoothness()
    for _ in range(_ROUNDS):
        step = _newton_step(f.hessian(torch.from_numpy(x)), gradient)
        decrement = -float(np.sum(gradient * step))
        x_next, value_next, gradient_next = _backtrack(f, x, value, step, decrement)
        settled = decrement <= 16.0 * _ROUNDING * abs(value) or not np.any(step)
        if settled and _norm(gradient_next) >= _norm(gradient):
            return _checked(x, value, gradient, scale)
        x, value, gradient = x_next, value_next, gradient_next
    raise _refusal("f has no minimizer that Newton's method finds (data that can be separated?)")


def _backtrack(
    f: SmoothShare, x: Array, value: float, step: Array, decrement: float
) -> tuple[Array, float, Array]:
    """The first of x + step, x + step/2, … that lowers f enough, up to rounding (Armijo)."""
    length = 1.0
    while True:
        x_next = x + length * step
        value_next, gradient_next = _evaluate(f, x_next)
        allowance = 16.0 * _ROUNDING * abs(value)
        if value_next <= value - 1e-4 * length * decrement + allowance or length < 1e-12:
            return x_next, value_next, gradient_next
        length /= 2.0


def _newton_step(hessian: Array, gradient: Array) -> Array:
    """-H⁺ g, the least such step where H is singular."""
    with one_thread():
        values, vectors = np.linalg.eigh(hessian)
        keep = values > values[-1] * len(values) * _ROUNDING
        coordinates = vectors[:, keep].T @ gradient
        step: Array = -(vectors[:, keep] @ (coordinates / values[keep]))
    return step


def _evaluate(f: SmoothShare, x: Array) -> tuple[float, Array]:
    value, gradient = f.loss_and_gradient(torch.from_numpy(x))
    return value, gradient.numpy()


def _norm(vector: Array) -> float:
    return float(np.sqrt(np.sum(vector * vector)))


def _checked(x: Array, value: float, gradient: Array, scale: float) -> tuple[Array, float]:
    """The point, if its gradient is 0 for all that rounding allows."""
    if _norm(gradient) > 1e-7 * scale * (1.0 + _norm(x)):
        raise _refusal("f has no minimizer: it falls without end")
    return x, value


def _refusal(cause: str) -> ConfigError:
    return ConfigError(
        f"{cause}: give f_star: a number, or leave it out, or regularize", "problem.f_star"
    )
