"""Compressors of the rows of a table: what `Compressor.compress` makes of each row, to the bit.

Only compressors without state that draw nothing have such a form, and whose payloads have the same
number of entries in each row. A compressor that derives from one of these has none by that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from psim.compressors.base import Compressor
from psim.compressors.identity import Identity
from psim.compressors.topk import TopK
from psim.kernels import plain

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Select = Callable[[Floats], Indices | None]
"""Which entries of each row are sent: of a table (m, d) the indices (m, k), ascending in each row;
None where all are.
"""


def selection(compressor: Compressor, size: int) -> Select | None:
    """What the compressor selects of rows of ``size`` entries; None where it has no such form."""
    if type(compressor) is Identity:
        return everything
    if type(compressor) is not TopK or compressor.scope != "model":
        return None
    k = compressor.kept(size)
    return everything_listed if k >= size else Largest(k)


@dataclass(frozen=True, slots=True)
class Largest:
    """The k entries of largest magnitude of each row; fewer than all."""

    k: int

    def __call__(self, table: Floats) -> Indices:
        return largest(table, self.k)


def everything(table: Floats) -> None:
    """Payloads are dense."""


def everything_listed(table: Floats) -> Indices:
    """All entries of each row, listed."""
    return np.tile(np.arange(table.shape[1]), (len(table), 1))


def largest(table: Floats, k: int) -> Indices:
    """The k entries of largest magnitude of each row, ties to the lowest index, NaN taken for
    infinite; 0 < k < d.
    """
    magnitude = np.abs(table)
    if np.isnan(magnitude.max(initial=0.0)):
        magnitude[np.isnan(magnitude)] = np.inf
    if k == 1:
        first: Indices = magnitude.argmax(axis=1)[:, None]  # of equals the first
        return first
    place = table.shape[1] - k
    threshold = np.partition(magnitude, place, axis=1)[:, place, None]
    chosen = magnitude >= threshold
    tied = np.flatnonzero(chosen.sum(axis=1) > k)
    for row in tied.tolist():
        chosen[row] = False
        chosen[row, plain.largest(magnitude[row], k)[0]] = True
    columns: Indices = np.nonzero(chosen)[1].reshape(-1, k)
    return columns
