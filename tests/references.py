"""The references by the names of the methods of psim: x^t for t = 0..T."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from reference.dcgd import dcgd
from reference.ef import ef
from reference.ef21 import ef21
from reference.ef21_plus import ef21_plus
from reference.gd import gd
from reference.trajectory import Array, Compress, Gradients, Init


class Reference(Protocol):
    """A method's reference, as the comparison calls it."""

    def __call__(
        self,
        gradients: Gradients,
        x0: Array,
        step_size: float,
        compress: Compress,
        rounds: int,
        *,
        init: Init,
    ) -> list[Array]:
        """x^0 to x^T."""


def _plain(method: Callable) -> Reference:
    def run(gradients, x0, step_size, compress, rounds, *, init):
        return method(gradients, x0, step_size, compress, rounds).iterates

    return run


def _started(method: Callable) -> Reference:
    def run(gradients, x0, step_size, compress, rounds, *, init):
        return method(gradients, x0, step_size, compress, rounds, init).iterates

    return run


def _gd(gradients, x0, step_size, compress, rounds, *, init):
    return gd(gradients, x0, step_size, rounds).iterates


REFERENCES: dict[str, Reference] = {
    "gd": _gd,
    "dcgd": _plain(dcgd),
    "ef": _plain(ef),
    "ef21": _started(ef21),
    "ef21_plus": _started(ef21_plus),
}
"""A method's file in tests/reference comes before its file in psim/methods."""


def difference(actual: list[Array], expected: list[Array]) -> float:
    """The largest ‖x^t - y^t‖/‖y^t‖ over all t; infinite where it is no number."""
    assert len(actual) == len(expected)
    largest = 0.0
    for x, y in zip(actual, expected, strict=True):
        scale = float(np.linalg.norm(y)) or 1.0
        found = float(np.linalg.norm(x - y)) / scale
        largest = max(largest, found) if np.isfinite(found) else np.inf
    return largest
