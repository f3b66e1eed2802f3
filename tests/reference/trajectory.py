"""What the reference methods take and return, and how they start.

Shapes: a vector is (d,); a quantity kept by each of the n workers is (n, d), one row a worker.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Gradients: TypeAlias = Sequence[Callable[[Array], Array]]
Compress: TypeAlias = Callable[[Array], Array]
Init: TypeAlias = Literal["compressed", "full", "zero"]


class Trajectory(NamedTuple):
    """A run of T rounds: x^t and every g_i^t, t = 0..T (g_i^t: after the message at x^t)."""

    iterates: list[Array]
    estimates: list[Array]


def local_gradients(gradients: Gradients, x: Array) -> Array:
    """Stack grad f_i(x), i = 1..n, as rows."""
    return np.stack([gradient(x) for gradient in gradients])


def compress_rows(compress: Compress, rows: Array) -> Array:
    """Compress each worker's vector, in the workers' order: one call of `compress` a worker."""
    return np.stack([compress(row) for row in rows])


def initial_estimates(local: Array, compress: Compress, init: Init) -> Array:
    """g_i^0 from the local gradients at x^0: C(grad) (Algorithm 2, line 1), grad itself, or 0.

    Theorems 2 and 3 allow any choice (the remark after equation 17).
    """
    if init == "compressed":
        return compress_rows(compress, local)
    return local.copy() if init == "full" else np.zeros_like(local)
