"""A problem that is brought from Python: a module, a data set and a loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.utils.data import Dataset

from psim.problems.examples import Examples, Task
from psim.problems.learning.losses import Loss

Data = Dataset[object] | Examples


@dataclass(frozen=True, slots=True, eq=False)
class TorchProblem:
    """A module, what it learns from, and its loss.

    ``train`` and ``test`` are map-style data sets of (input, target) pairs. ``loss`` is one of
    psim's by name, or a function of outputs and targets that gives the mean over the batch.
    ``task`` says what a test is of: classification, language, ranking or other.

    Worker processes get a copy of it, so that its classes must be importable from them: defined in
    a module, or in a script that guards its ``psim.run``. Others run with ``transport: inproc``.
    """

    model: nn.Module
    train: Data
    loss: str | Loss = "cross_entropy"
    test: Data | None = None
    task: Task = "classification"
