"""What networks are trained for, and what a test says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch.nn import functional

from psim.errors import ConfigError
from psim.problems.examples import Task
from psim.problems.learning.named import attribute

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The mean loss of outputs and targets over a minibatch, as a tensor of one number."""
TOP = 10


class Tested(NamedTuple):
    """Sums over ``examples`` of a test (tokens, for a language model): of the loss, and of what the
    task scores: 1 for a right class, or for a hit among the first ten.
    """

    loss: float
    score: float
    examples: int


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of logits (..., C) and classes (...): a class an example, or one a token."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def mse(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean squared error; targets have the outputs' shape, or lack a last dimension of 1."""
    return functional.mse_loss(outputs.reshape(targets.shape), targets.to(outputs.dtype))


def binary_cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of logits and targets 0 or 1, of the same shape."""
    return functional.binary_cross_entropy_with_logits(
        outputs.reshape(targets.shape), targets.to(outputs.dtype)
    )


SHIPPED: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "mse": mse,
    "binary_cross_entropy": binary_cross_entropy,
}


def named(name: str) -> Loss:
    """A loss of psim's, or ``module:callable``. Raises ConfigError."""
    if name in SHIPPED:
        return SHIPPED[name]
    found = attribute(name, "problem.loss")
    if not callable(found):
        raise ConfigError(f"{name!r} can't be called: name a function", "problem.loss")
    return cast("Loss", found)


def tested(task: Task, loss: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> Tested:
    """What a batch of test examples says.

    A ranking's outputs are the scores of a user's candidates, shape (users, candidates), and its
    targets the number of the candidate that was chosen (He et al. 2017, section 4.1: HR@10).
    """
    if task == "ranking":
        chosen = outputs.gather(1, targets[:, None])
        ahead = (outputs > chosen).sum(1)
        one_hot = functional.one_hot(targets, outputs.shape[1])
        count = len(targets)
        return Tested(float(loss(outputs, one_hot)) * count, float((ahead < TOP).sum()), count)
    count = targets.numel() if task == "language" else len(targets)
    score = float((outputs.argmax(-1) == targets).sum()) if task == "classification" else 0.0
    return Tested(float(loss(outputs, targets)) * count, score, count)
