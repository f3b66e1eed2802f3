"""A small network and data for it, for psim and for autograd alike: named ``learnable:…``."""

from functools import cache, partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import TensorDataset

WORKERS = 3
EXAMPLES = 40
FEATURES, CLASSES = 5, 3


def network(dropout: float = 0.0, batch_norm: bool = False) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(FEATURES, 6)]
    layers += [nn.BatchNorm1d(6)] if batch_norm else []
    return nn.Sequential(*layers, nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, CLASSES))


class WithAnUnusedLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Linear(FEATURES, CLASSES), nn.Linear(2, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.used(inputs)


class Talkative(nn.Linear):
    """Gives its inputs back as well."""

    def __init__(self) -> None:
        super().__init__(FEATURES, CLASSES)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        return super().forward(inputs), inputs


@cache
def tensors(examples: int = EXAMPLES) -> tuple[torch.Tensor, torch.Tensor]:
    draws = np.random.default_rng(5)
    inputs = draws.standard_normal((examples, FEATURES)).astype(np.float32)
    targets = (inputs @ draws.standard_normal((FEATURES, CLASSES))).argmax(1)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def data() -> tuple[TensorDataset, TensorDataset]:
    inputs, targets = tensors()
    return TensorDataset(inputs, targets), TensorDataset(inputs[:10], targets[:10])


def exploding(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The usual loss, until it is below 1.05."""
    loss = functional.cross_entropy(outputs, targets)
    return loss * torch.where(loss < 1.05, torch.tensor(float("nan")), torch.tensor(1.0))


def problem(**others: object) -> dict[str, object]:
    """The section of a config."""
    named = {"name": "torch", "model": "learnable:network", "dataset": "learnable:data"}
    return {**named, "batch": 8, **others}


def shares(workers: int = WORKERS) -> list[slice]:
    """Contiguous, the last with the remainder."""
    size = EXAMPLES // workers
    return [
        slice(r * size, EXAMPLES if r == workers - 1 else (r + 1) * size) for r in range(workers)
    ]


def flat_gradient(x: np.ndarray, which: slice) -> np.ndarray:
    """∇f_i in float64, by autograd on a module of its own."""
    module = network().double()
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.tensor(x), module.parameters())
    inputs, targets = tensors()
    functional.cross_entropy(module(inputs[which].double()), targets[which]).backward()
    return torch.cat([p.grad.reshape(-1) for p in module.parameters()]).numpy()


def gradients() -> list[partial]:
    return [partial(flat_gradient, which=which) for which in shares()]


class Deep(nn.Module):
    """A sum of ``layers`` linear maps, each a parameter of its own."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        weights = [nn.Parameter(torch.randn(CLASSES, FEATURES) / layers) for _ in range(layers)]
        self.weights = nn.ParameterList(weights)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ sum(self.weights).T


def deep(layers: int) -> nn.Module:
    return Deep(layers)
