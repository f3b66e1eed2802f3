"""A network that takes next to no time to differentiate, so that communication is left to time.

What it takes is the way of any gradient through autograd: a vector of zeros, to which the one that
is there already is added. `differentiate` does just that, to be timed by itself.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import TensorDataset

from psim.problems.learning.module import FlatModule


class _Given(torch.autograd.Function):
    """0, with a gradient that is there already."""

    @staticmethod
    def forward(ctx, parameters, gradient):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(gradient)
        return parameters.new_zeros(())

    @staticmethod
    def backward(ctx, *outer):  # type: ignore[no-untyped-def]
        del outer
        return ctx.saved_tensors[0], None


class Still(nn.Module):
    """``size`` parameters; in every call their gradient is the same one, drawn once."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.parameters_ = nn.Parameter(torch.zeros(size))
        draws = torch.Generator().manual_seed(1)
        self.gradient: torch.Tensor
        self.register_buffer("gradient", torch.randn(size, generator=draws), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        del inputs
        value: torch.Tensor = _Given.apply(self.parameters_, self.gradient)
        return value


def data() -> TensorDataset:
    """Examples that nobody looks at."""
    return TensorDataset(torch.zeros(64, 1), torch.zeros(64))


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The output itself."""
    del targets
    return outputs


def differentiate(vector: torch.Tensor, rank: int, ranks: int) -> None:
    """What a round has of it: a gradient in each process at once, as a `gloo.Collective`. It ends
    when all have one.
    """
    del rank, ranks
    _flat(vector.numel()).loss_and_gradient(vector, vector[:1], {}, torch.clone)
    dist.barrier()


@cache
def _flat(size: int) -> FlatModule:
    """The network as workers have it."""
    return FlatModule(Still(size), torch.device("cpu"))


def problem(size: int) -> dict[str, object]:
    """The section of a config; this folder must be in PYTHONPATH."""
    return {
        "name": "torch",
        "model": "still:Still",
        "model_args": {"size": size},
        "dataset": "still:data",
        "loss": "still:loss",
        "batch": 1,
    }
