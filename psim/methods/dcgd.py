"""Distributed compressed gradient descent, without error feedback.

    x^{t+1} = x^t - (γ/n) Σ C(∇f_i(x^t))                                     (EF21 paper, eq. 7)

With a biased compressor it may diverge (Beznosikov et al. 2020, Example 1): here to show that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psim.methods.base import Compress, Iterate, Message, Method, Worker
from psim.vectors import scale, subtract_

if TYPE_CHECKING:
    from psim.step import Step
    from psim.vectors import torch


@dataclass(slots=True)
class Descent(Iterate):
    """x ← x - γ u: a product, then a subtraction."""

    def advance(self, update: Message, step: Step) -> None:
        subtract_(self.x, scale(update.payloads["u"], step.step_size, self.x.dtype))


@dataclass(slots=True)
class CompressedGradient(Worker):
    """Sends C(∇f_i(x)) and keeps nothing."""

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        return Message({"c": compress(gradients[0])})


class DCGD(Method):
    """Compressed gradients without error feedback."""

    name: ClassVar[str] = "dcgd"
    paper: ClassVar[str] = "Khirirat et al. 2018; EF21, eq. 7"

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return Descent(x0)

    def worker(self, x0: torch.Tensor) -> Worker:
        return CompressedGradient()
