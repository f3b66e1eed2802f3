"""Compressors as maps from a dense vector to a dense vector (EF21, Section 2.1 and Appendix H)."""

import numpy as np
import numpy.typing as npt

from reference.trajectory import Array, Compress


def top_k(v: Array, k: int) -> Array:
    """Keep the k entries of largest magnitude (ties: lowest index). alpha = k/d (Example 1)."""
    kept = np.argsort(-np.abs(v), kind="stable")[:k]
    compressed = np.zeros_like(v)
    compressed[kept] = v[kept]
    return compressed


def identity(v: Array) -> Array:
    """Keep everything: alpha = 1."""
    return v.copy()


def rand_k(v: Array, indices: npt.NDArray[np.intp], scale: float) -> Array:
    """Keep the entries drawn, times `scale`: d/k is unbiased, 1 is contractive (Example 2)."""
    compressed = np.zeros_like(v)
    compressed[indices] = scale * v[indices]
    return compressed


def fixed_coordinates(mask: npt.NDArray[np.bool_]) -> Compress:
    """Return the projection on the coordinates where `mask` is true.

    Deterministic, positively homogeneous and additive: what Theorem 1 asks for. It is no
    contraction in the sense of equation (3) unless the mask is all true.
    """

    def compress(v: Array) -> Array:
        return np.where(mask, v, 0.0)

    return compress
