"""Inputs that are kept as numbers: dense arrays, and sparse rows made dense by the minibatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from psim.problems.batches import Batch
from psim.vectors import torch

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Targets = NDArray[np.int64] | NDArray[np.float32]


class Dense:
    """``inputs``, float32 of shape (N, …), and ``targets`` (N, …): int64 classes or float32."""

    def __init__(self, inputs: NDArray[np.float32], targets: Targets) -> None:
        self.inputs, self.targets = inputs, targets

    @property
    def count(self) -> int:
        return len(self.inputs)

    @property
    def labels(self) -> NDArray[np.int64] | None:
        return self.targets if self.targets.dtype == np.int64 else None  # type: ignore[return-value]

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(self.inputs[which]), torch.from_numpy(self.targets[which])

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        return (
            f"table {self.inputs.shape} {self.targets.shape}".encode(),
            self.inputs.astype("<f4"),
            self.targets.astype("<i8" if self.targets.dtype == np.int64 else "<f4"),
        )


class SparseRows:
    """``features``, a float32 CSR matrix of shape (N, d), and ``labels``, int64 of shape (N,).

    A minibatch is dense, of shape (B, d).
    """

    def __init__(self, features: csr_array, labels: NDArray[np.int64]) -> None:
        self.features, self.labels = features, labels

    @property
    def count(self) -> int:
        return len(self.labels)

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.features[which].toarray()
        return torch.from_numpy(rows), torch.from_numpy(self.labels[which])

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        """The same whether the file's features are held sparse or dense."""
        return (
            f"rows {self.features.shape}".encode(),
            self.features.indptr.astype("<i8"),
            self.features.indices.astype("<i8"),
            self.features.data.astype("<f4"),
            self.labels.astype("<i8"),
        )
