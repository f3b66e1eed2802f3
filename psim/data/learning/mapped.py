"""Any ``torch.utils.data.Dataset`` with a length and items by number: (input, target) each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from psim.data.learning.settings import PATH
from psim.errors import ConfigError, DataError, PsimError
from psim.problems.batches import Batch
from psim.problems.examples import Examples, Learning, Task
from psim.problems.learning.named import attribute
from psim.vectors import torch

SHOWN = 16
"""Items that go into the fingerprint: a whole set may not fit in memory."""


class Mapped:
    """The items of a data set, stacked.

    What items draw from torch's generator (as transforms do) is a function of the draws given;
    without draws it is the same every time.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        try:
            self.count = len(dataset)
        except TypeError:
            raise DataError(
                f"{type(dataset).__name__} has no length: use a data set with items by number"
            ) from None
        if not self.count:
            raise DataError(f"{type(dataset).__name__} is empty")

    @cached_property
    def labels(self) -> NDArray[np.int64] | None:
        """``dataset.targets`` where it has them, else those of all items; None for no classes."""
        targets = getattr(self._dataset, "targets", None)
        if targets is None or len(targets) != self.count:
            if not _is_class(self._item(0)[1]):
                return None
            targets = [int(self._item(number)[1]) for number in range(self.count)]
        found = np.asarray(targets)
        return found.astype(np.int64) if found.ndim == 1 and found.dtype.kind in "iu" else None

    @property
    def task(self) -> Task:
        """By the first target: a whole number is a class, several are tokens."""
        target = self._item(0)[1]
        if _is_class(target):
            return "classification"
        tokens = isinstance(target, torch.Tensor) and not target.dtype.is_floating_point
        return "language" if tokens and target.ndim == 1 else "other"

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        from torch.utils.data import default_collate

        seed = 0 if draws is None else int(draws.integers(2**63))
        with _drawing(seed):
            items = [self._pair(number) for number in which.tolist()]
        try:
            inputs, targets = default_collate(items)
        except (TypeError, RuntimeError) as error:
            raise DataError(f"{self._name}: items can't be stacked: {error}") from None
        for part, found in (("inputs", inputs), ("targets", targets)):
            if not isinstance(found, torch.Tensor):
                raise DataError(f"{self._name}: {part} are {type(found).__name__}, no tensors")
        return inputs, targets.float() if targets.dtype == torch.float64 else targets

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        """The number of items, and `SHOWN` of them, evenly spread."""
        spread = np.linspace(0, self.count - 1, min(SHOWN, self.count)).astype(np.int64)
        inputs, targets = self.batch(spread)
        label = f"mapped {self.count} {tuple(inputs.shape)} {tuple(targets.shape)}".encode()
        return label, *(_little(part.numpy()) for part in (inputs, targets))

    @property
    def _name(self) -> str:
        return type(self._dataset).__name__

    def _item(self, number: int) -> tuple[Any, Any]:
        with _drawing(0):
            return self._pair(number)

    def _pair(self, number: int) -> tuple[Any, Any]:
        item = self._dataset[number]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"{self._name}: item {number} is no pair (input, target)")
        return item[0], item[1]


def open_mapped(name: str, args: Mapping[str, object]) -> Learning:
    """What ``module:callable`` gives for ``args``: a data set, a pair of one to train and one to
    test on, or a `Learning`. Raises ConfigError and DataError.
    """
    make = attribute(name, "problem.dataset")
    try:
        made = make(**args)
    except TypeError as error:
        raise ConfigError(f"{name!r} does not take these arguments: {error}", PATH) from None
    except PsimError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the user's function raises
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{name!r} gives no data set: {type(error).__name__}: {reason}") from None
    if isinstance(made, Learning):
        return made
    train, test = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    examples = wrapped(train)
    task = examples.task if isinstance(examples, Mapped) else "other"
    return Learning(examples, None if test is None else wrapped(test), task)


def wrapped(dataset: Any) -> Examples:
    """Examples as they are; the items of any data set as `Mapped`. Raises DataError."""
    if all(hasattr(dataset, name) for name in ("count", "labels", "batch", "content")):
        examples: Examples = dataset
        return examples
    if not hasattr(dataset, "__getitem__"):
        raise DataError(
            f"{type(dataset).__name__} has no items by number: use a map-style data set, with "
            "__len__ and __getitem__"
        )
    return Mapped(dataset)


def _is_class(target: object) -> bool:
    if isinstance(target, torch.Tensor):
        return target.ndim == 0 and not target.dtype.is_floating_point
    return isinstance(target, int | np.integer) and not isinstance(target, bool)


@contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """What is drawn from torch's generator inside is a function of ``seed``; outside nothing
    changes.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _little(array: NDArray[np.generic]) -> NDArray[np.generic]:
    return array.astype(array.dtype.newbyteorder("<"))
