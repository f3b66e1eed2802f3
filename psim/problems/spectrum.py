"""Eigenvalues for smoothness constants: exact for what fits, by Lanczos beyond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim import random
from psim.problems.products import Products
from psim.threads import one_thread

Array = NDArray[np.float64]

LARGEST_DENSE = 1500
"""Rows of the largest matrix that is decomposed as it is: in about a second."""


def largest_of_gram(matrix: Products, weights: Array) -> float:
    """λmax(Aᵀ diag(weights) A); weights has shape (rows,), nothing negative."""
    smaller = min(matrix.rows, matrix.size)
    if smaller > LARGEST_DENSE:
        return _lanczos(matrix, weights)
    gram = matrix.gram(weights) if matrix.size <= matrix.rows else matrix.outer(weights)
    return max(0.0, float(eigenvalues(gram)[-1]))


def eigenvalues(matrix: Array) -> Array:
    """All eigenvalues of a symmetric matrix, ascending."""
    with one_thread():
        return np.asarray(np.linalg.eigvalsh(matrix), dtype=np.float64)


def smallest_nonzero(values: Array, length: int) -> float | None:
    """The smallest of ascending eigenvalues that is not 0 to rounding; None where all are.

    ``length`` is the larger side of the matrix that they come from (numpy's rule for ranks).
    """
    cutoff = float(values[-1]) * length * float(np.finfo(np.float64).eps)
    above = values[values > max(cutoff, 0.0)]
    return float(above[0]) if above.size else None


def _lanczos(matrix: Products, weights: Array) -> float:
    from scipy.sparse.linalg import LinearOperator, eigsh

    def product(v: Array) -> Array:
        return matrix.transposed_times(weights * matrix.times(v.ravel()))

    gram = LinearOperator((matrix.size, matrix.size), matvec=product, dtype=np.float64)
    start = random.generator(0, "lanczos").standard_normal(matrix.size)
    with one_thread():
        values = eigsh(gram, k=1, which="LA", v0=start, return_eigenvectors=False)
    return max(0.0, float(values[-1]))
