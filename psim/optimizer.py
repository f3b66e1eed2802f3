"""The structure of ``optimizer:`` in the YAML, and the rules themselves.

An optimizer makes of the aggregated vector the direction along which x descends (Sahu et al. 2021,
Algorithm 2: momentum after compression). Its moments are part of the iterate, which master and
workers hold alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from psim.kinds import Kinds, Takes
from psim.vectors import add_scaled_, parts, torch


@dataclass(slots=True)
class Momentum:
    """With g = v + weight_decay · x: m ← momentum · m + g, and the direction m; g + momentum · m
    with Nesterov's look-ahead (as Sutskever et al. 2013 write it), or g + m (as Vogels et al. 2019,
    Algorithm 2, do, to which Sahu et al. refer).
    """

    momentum: float
    nesterov: bool | str
    weight_decay: float
    buffer: torch.Tensor

    def direction(self, vector: torch.Tensor, x: torch.Tensor, round: int) -> torch.Tensor:
        """The direction at x for the aggregated ``vector``, whose memory it may take over."""
        del round
        gradient = add_scaled_(vector, x, self.weight_decay) if self.weight_decay else vector
        if not self.momentum:
            return gradient
        self.buffer.mul_(self.momentum).add_(gradient)
        if not self.nesterov:
            return self.buffer
        if self.nesterov == "powersgd":
            return gradient + self.buffer
        return (self.buffer * self.momentum).add_(gradient)


@dataclass(slots=True)
class Adam:
    """Kingma and Ba 2015, Algorithm 1, on g = v + weight_decay · x; its step t is round + 1."""

    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    first: torch.Tensor
    second: torch.Tensor

    def direction(self, vector: torch.Tensor, x: torch.Tensor, round: int) -> torch.Tensor:
        """(m/(1 - β₁^t)) / (√(v/(1 - β₂^t)) + ε), in the memory of ``vector``."""
        gradient = add_scaled_(vector, x, self.weight_decay) if self.weight_decay else vector
        for part in parts(gradient):
            own, first, second = gradient[part], self.first[part], self.second[part]
            first.mul_(self.beta1).add_(own * (1.0 - self.beta1))
            second.mul_(self.beta2).add_(own * own * (1.0 - self.beta2))
            mean_square = second / (1.0 - self.beta2 ** (round + 1))
            torch.div(first, 1.0 - self.beta1 ** (round + 1), out=own)
            own.div_(mean_square.sqrt_().add_(self.epsilon))
        return gradient


Rule = Momentum | Adam


class Optimizer(Kinds):
    """What x descends along: SGD with momentum, or Adam; both with weight decay (ℓ2)."""

    of: ClassVar[str] = "name"
    kinds: ClassVar[dict[str, Takes]] = {
        "sgd": Takes((), ("momentum", "nesterov")),
        "adam": Takes((), ("beta1", "beta2", "epsilon")),
    }

    name: Literal["sgd", "adam"]
    momentum: float | None = Field(None, ge=0, lt=1)
    nesterov: bool | Literal["powersgd"] | None = None
    beta1: float | None = Field(None, ge=0, lt=1)
    beta2: float | None = Field(None, ge=0, lt=1)
    epsilon: float | None = Field(None, gt=0)
    weight_decay: float = Field(0.0, ge=0)

    def rule(self, x0: torch.Tensor) -> Rule:
        """The rule before its first step."""
        if self.name == "sgd":
            zero = torch.zeros_like(x0)
            return Momentum(self.momentum or 0.0, self.nesterov or False, self.weight_decay, zero)
        return Adam(
            0.9 if self.beta1 is None else self.beta1,
            0.999 if self.beta2 is None else self.beta2,
            1e-8 if self.epsilon is None else self.epsilon,
            self.weight_decay,
            torch.zeros_like(x0),
            torch.zeros_like(x0),
        )
