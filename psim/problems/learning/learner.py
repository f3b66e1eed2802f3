"""A worker's share of a network's training."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from psim.problems.batches import Batch
from psim.problems.examples import Examples, Task
from psim.problems.learning.losses import Loss, Tested, tested
from psim.problems.learning.module import Buffers, FlatModule, drawing, flat, floats

if TYPE_CHECKING:
    from psim.step import Step

CHUNK = 256
"""Examples that are evaluated at once where all of a share are: that bounds the memory."""


@dataclass(frozen=True, slots=True)
class Learner:
    """What all ranks of a process have alike. ``clip``: the largest norm of a minibatch's gradient;
    a longer one is scaled to it. ``weight_decay`` w: f_i has (w/2)‖x‖² besides, whose gradient is
    not clipped; a test has not.
    """

    model: FlatModule
    loss: Loss
    task: Task
    train: Examples
    test: Examples | None
    clip: float | None = None
    weight_decay: float = 0.0

    def penalty(self, x: torch.Tensor) -> float:
        """(w/2)‖x‖²."""
        if not self.weight_decay:
            return 0.0
        return self.weight_decay / 2 * float(torch.linalg.vector_norm(x)) ** 2

    def add_decay(self, gradient: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The gradient, w x added in place."""
        return gradient.add_(x, alpha=self.weight_decay) if self.weight_decay else gradient


@dataclass(slots=True)
class NetworkShare:
    """f_i: the mean loss of the examples ``which`` of the training set.

    A minibatch's gradient is that of the module in training mode, with what it draws (dropout,
    augmentation) a function of the step. f_i itself, over all examples, is that of the module in
    evaluation mode, without augmentation. ``buffers`` are the rank's own.
    """

    learner: Learner
    which: Batch
    buffers: Buffers = field(init=False)
    _step: Step | None = None

    def __post_init__(self) -> None:
        self.buffers = self.learner.model.buffers()

    @property
    def size(self) -> int:
        return self.learner.model.size

    @property
    def rows(self) -> int:
        return len(self.which)

    def statistics(self) -> torch.Tensor:
        """The buffers that are floats, flat and in the module's order."""
        return flat(self.buffers, self.learner.model.dtype)

    def take_statistics(self, values: torch.Tensor) -> None:
        """The same from such a vector; whole numbers stay."""
        start = 0
        for buffer in floats(self.buffers):
            part = values[start : start + buffer.numel()]
            buffer.copy_(part.view(buffer.shape))
            start += buffer.numel()

    def begin(self, step: Step) -> None:
        """What minibatches draw from here on is the round's."""
        self._step = step

    def loss(self, x: torch.Tensor, batch: Batch | None = None) -> float:
        if batch is not None:
            return self.loss_and_gradient(x, batch)[0]
        total = 0.0
        for chunk in _chunks(self.which):
            inputs, targets = self._examples(self.learner.train, chunk)
            outputs = self.learner.model.outputs(x, inputs, self.buffers, training=False)
            total += float(self.learner.loss(outputs, targets)) * len(chunk)
        return total / len(self.which) + self.learner.penalty(x)

    def gradient(self, x: torch.Tensor, batch: Batch | None = None) -> torch.Tensor:
        return self.loss_and_gradient(x, batch)[1]

    def loss_and_gradient(
        self, x: torch.Tensor, batch: Batch | None = None
    ) -> tuple[float, torch.Tensor]:
        return self._whole(x) if batch is None else self._minibatch(x, batch)

    def test(self, x: torch.Tensor, part: int = 0, parts: int = 1) -> Tested:
        """What part number ``part`` of the test set says, in evaluation mode."""
        examples = self.learner.test
        assert examples is not None, "only runs with a test set ask"
        which = np.array_split(np.arange(examples.count), parts)[part]
        found = [Tested(0.0, 0.0, 0)]
        for chunk in _chunks(which):
            inputs, targets = self._examples(examples, chunk)
            outputs = self.learner.model.outputs(x, inputs, self.buffers, training=False)
            found.append(tested(self.learner.task, self.learner.loss, outputs, targets))
        losses, scores, counts = zip(*found, strict=True)
        return Tested(sum(losses), sum(scores), sum(counts))

    def _minibatch(self, x: torch.Tensor, batch: Batch) -> tuple[float, torch.Tensor]:
        learner, step = self.learner, self._step
        assert step is not None, "a round begins before its minibatch"
        inputs, targets = self._examples(learner.train, self.which[batch], step.private("augment"))
        with drawing(int(step.private("dropout").integers(2**63))):
            loss, gradient = learner.model.loss_and_gradient(
                x, inputs, self.buffers, partial(_of_targets, learner.loss, targets)
            )
        if learner.clip is not None:
            norm = float(torch.linalg.vector_norm(gradient))
            if norm > learner.clip:
                gradient *= learner.clip / norm
        return loss + learner.penalty(x), learner.add_decay(gradient, x)

    def _whole(self, x: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Summed over chunks in their order, each weighing by its examples."""
        total, mean = 0.0, torch.zeros_like(x)
        for chunk in _chunks(self.which):
            inputs, targets = self._examples(self.learner.train, chunk)
            mean_loss = partial(_of_targets, self.learner.loss, targets)
            loss, gradient = self.learner.model.loss_and_gradient(
                x, inputs, self.buffers, mean_loss, training=False
            )
            total += loss * len(chunk)
            mean += gradient * (len(chunk) / len(self.which))
        return total / len(self.which) + self.learner.penalty(x), self.learner.add_decay(mean, x)

    def _examples(
        self, examples: Examples, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, targets = examples.batch(which, draws)
        device = self.learner.model.device
        return inputs.to(device), targets.to(device)


def _of_targets(loss: Loss, targets: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    return loss(outputs, targets)


def _chunks(which: Batch) -> list[Batch]:
    return [which[start : start + CHUNK] for start in range(0, len(which), CHUNK)]
