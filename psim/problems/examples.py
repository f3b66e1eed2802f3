"""Examples to learn from: inputs and targets, taken a minibatch at a time.

What `Rows` are to the convex problems, an `Examples` is to networks: it opens no file
(`psim.data.learning` makes them), and gives tensors of whatever shape the model takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from psim.problems.batches import Batch
from psim.vectors import torch

Task = Literal["classification", "language", "ranking", "other"]
"""What a test says beside the loss: the accuracy, the perplexity, the hit rate at 10, nothing."""


class Examples(Protocol):
    """Pairs of an input and a target."""

    @property
    def count(self) -> int:
        """N: how many there are."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """The class of each, for partitions by label; shape (N,). None where there are none."""

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of the examples ``which``, stacked in that order, in the first
        dimension of both; in memory of their own. ``draws`` asks for augmentation, of which every
        random choice comes from it; without it the examples are as they are.
        """

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        """What defines them, for their fingerprint: little-endian arrays and labels."""


@dataclass(frozen=True, slots=True)
class Learning:
    """A data set to learn from: examples to train on, and to test on where there are any.

    ``note`` says what a reader of the results must know of the data: that images have been
    re-encoded, or that a part of the set stands in for another. "" where there is nothing to say.
    ``sizes`` is what a model must fit: ``classes``, ``channels``, ``features``, ``vocabulary``,
    ``users`` and ``items``, as the task has them.
    """

    train: Examples
    test: Examples | None
    task: Task
    note: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
