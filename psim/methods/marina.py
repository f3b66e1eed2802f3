"""MARINA and VR-MARINA (Gorbunov et al. 2021, "MARINA: faster non-convex distributed learning with
compression", Algorithms 1 and 2): compressed changes of the gradient, and now and then all of it.

    g^0       = ∇f(x^0),   x^{t+1} = x^t - γ g^t
    g^{t+1}   = (1/n) Σ ∇f_i(x^{t+1})                                     with probability p
    g^{t+1}   = g^t + (1/n) Σ Q(∇f_i(x^{t+1}) - ∇f_i(x^t))                otherwise

One coin a round, which all nodes throw alike: the shared stream of "marina". p is ``probability``;
the paper takes the share of entries that Q keeps. Q is unbiased: give Rand-k and the quantizers
``scale: unbiased``. With minibatches (``problem.batch``) it is VR-MARINA: the difference is taken
at both points on the minibatch of round t + 1, and ∇f_i stays the whole gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from psim.methods.base import Compress, Iterate, Message, Method, Whole, Worker
from psim.vectors import Dense, add_, densify, torch

if TYPE_CHECKING:
    from psim.step import Step


def heads(step: Step, probability: float) -> bool:
    """Whether the messages of the round are whole gradients."""
    return step.round == 0 or bool(step.shared("marina").random() < probability)


@dataclass(slots=True)
class RestartedDescent(Iterate):
    """g ← u or g + u, as the coin shows; then x ← x - γ g, or as the optimizer has it."""

    g: torch.Tensor
    probability: float

    def advance(self, update: Message, step: Step) -> None:
        if heads(step, self.probability):
            self.g = densify(update.payloads["u"], self.x.dtype)
        else:
            add_(self.g, update.payloads["u"])
        self.descend(Dense(self.g), step)


@dataclass(slots=True)
class ChangeWorker(Worker):
    """What the change is measured from: ∇f_i(x^{t-1}), or x^{t-1} where there are minibatches."""

    probability: float
    gradient: torch.Tensor
    point: torch.Tensor

    def queries(self, x: torch.Tensor, step: Step) -> tuple[torch.Tensor | Whole, ...]:
        if step.exact:
            return (x,)
        before, self.point = self.point, x.clone()
        return (Whole(x),) if heads(step, self.probability) else (x, before)

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        before = self.gradient if step.exact else gradients[-1]
        if step.exact:
            self.gradient = gradients[0]
        if heads(step, self.probability):
            return Message({"c": compress.whole(gradients[0])})
        return Message({"c": compress.difference(gradients[0], before)})


class MARINA(Method):
    """Compressed changes of the gradient, and the whole gradient with a small probability."""

    name: ClassVar[str] = "marina"
    paper: ClassVar[str] = "Gorbunov et al. 2021, Algorithms 1 and 2"
    starts: ClassVar[bool] = True
    optimized: ClassVar[bool] = True

    probability: float = Field(gt=0, le=1)

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return RestartedDescent(x0, torch.zeros_like(x0), self.probability)

    def worker(self, x0: torch.Tensor) -> Worker:
        return ChangeWorker(self.probability, torch.zeros_like(x0), torch.zeros_like(x0))
