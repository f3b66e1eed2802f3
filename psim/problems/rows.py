"""Samples: a row of features and a label each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """N samples: ``features`` (N, d), float64, a CSR matrix or dense; ``labels`` (N,), -1 or +1.

    ``weights`` (N,), not negative and of sum 1, weigh the samples; None weighs each 1/N.
    """

    features: csr_array | Array
    labels: Array
    weights: Array | None = None

    @property
    def count(self) -> int:
        """N."""
        return len(self.labels)

    @property
    def size(self) -> int:
        """d."""
        return int(self.features.shape[1])

    def take(self, which: slice | NDArray[np.int64]) -> Rows:
        """Some of the samples, each weighing alike."""
        return Rows(self.features[which], self.labels[which])

    def weighted(self, weights: Array) -> Rows:
        """The same samples, weighed otherwise."""
        return replace(self, weights=weights)
