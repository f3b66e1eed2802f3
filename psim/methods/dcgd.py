"""Distributed compressed gradient descent, without error feedback.

    x^{t+1} = x^t - (γ/n) Σ C(∇f_i(x^t))                                     (EF21 paper, eq. 7)

Where not all n take part, the mean is over those whose messages the round has (minibatches of
workers, as in Chen et al. 2016, "Revisiting distributed synchronous SGD"); without any, x stays.

With a biased compressor it may diverge (Beznosikov et al. 2020, Example 1): here to show that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psim.methods.base import Compress, Iterate, Master, Message, Method, Worker, mean
from psim.vectors import nothing, torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psim.step import Step


@dataclass(slots=True)
class Descent(Iterate):
    """x ← x - γ u: a product, then a subtraction; or as the optimizer has it."""

    def advance(self, update: Message, step: Step) -> None:
        self.descend(update.payloads["u"], step)


@dataclass(slots=True)
class CompressedGradient(Worker):
    """Sends C(∇f_i(x)) and keeps nothing."""

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        return Message({"c": compress(gradients[0])})


@dataclass(slots=True)
class MeanOfSome(Master):
    """(1/m) Σ c_i over the m messages that the round has."""

    def aggregate(self, messages: Mapping[int, Message], step: Step) -> Message:
        if not messages:
            return Message({"u": nothing(self.total)})
        return Message({"u": mean(messages, "c", len(messages), self.total)})


class DCGD(Method):
    """Compressed gradients without error feedback."""

    name: ClassVar[str] = "dcgd"
    paper: ClassVar[str] = "Khirirat et al. 2018; EF21, eq. 7"
    partial: ClassVar[bool] = True
    optimized: ClassVar[bool] = True

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return Descent(x0)

    def worker(self, x0: torch.Tensor) -> Worker:
        return CompressedGradient()

    def master(self, x0: torch.Tensor, workers: int) -> Master:
        return MeanOfSome(torch.empty_like(x0))
