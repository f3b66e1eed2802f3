"""Some of the examples of a set: ``limit: {train: 2000}`` and ``holdout: 200``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from psim.data.learning.settings import Settings
from psim.errors import DataError
from psim.problems.batches import Batch
from psim.problems.examples import Examples, Learning
from psim.vectors import torch


class Part:
    """``count`` of some examples, from number ``start`` on."""

    def __init__(self, examples: Examples, start: int, count: int) -> None:
        self._examples, self._start, self.count = examples, start, count

    @property
    def labels(self) -> NDArray[np.int64] | None:
        labels = self._examples.labels
        return None if labels is None else labels[self._start : self._start + self.count]

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._examples.batch(which + self._start, draws)

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        return (f"{self.count} from {self._start}".encode(), *self._examples.content())


def parted(learning: Learning, wanted: Settings) -> Learning:
    """What the settings leave of a data set: first what is limited, then what is held out."""
    train = first(learning.train, wanted.limit.train, "train")
    held = wanted.holdout
    if held is None:
        test = learning.test
        limited = None if test is None else first(test, wanted.limit.test, "test")
        return replace(learning, train=train, test=limited)
    if learning.test is not None:
        raise DataError(
            f"holdout = {held}: this data set has a test part of {learning.test.count} examples: "
            "leave it out"
        )
    if held >= train.count:
        raise DataError(
            f"holdout = {held} leaves none of the {train.count} examples to train on: use fewer"
        )
    rest = train.count - held
    return replace(learning, train=Part(train, 0, rest), test=Part(train, rest, held))


def first(examples: Examples, count: int | None, part: str) -> Examples:
    """The first ``count`` examples; all where it is None. DataError where there are fewer."""
    if count is None or count == examples.count:
        return examples
    if count > examples.count:
        raise DataError(
            f"limit.{part} = {count} exceeds the {examples.count} examples that are there: use at "
            f"most {examples.count}, or leave it out"
        )
    return Part(examples, 0, count)
