"""Error feedback, as first proposed (Seide et al. 2014): EF21 paper, Algorithm 3.

w_i^t     = C(e_i^t + γ ∇f_i(x^t))                    the step size is inside the compressor
e_i^{t+1} = e_i^t + γ ∇f_i(x^t) - w_i^t,   e_i^0 = 0
x^{t+1}   = x^t - (1/n) Σ w_i^t

``feedback: none`` keeps no error: w_i^t = C(γ ∇f_i(x^t)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from psim.methods.base import Compress, Iterate, Message, Method, Theorems, Worker
from psim.vectors import subtract_, torch

if TYPE_CHECKING:
    from psim.step import Step


@dataclass(slots=True)
class Shift(Iterate):
    """x ← x - u."""

    def advance(self, update: Message, step: Step) -> None:
        subtract_(self.x, update.payloads["u"])


@dataclass(slots=True)
class ErrorFeedback(Worker):
    """e_i, in units of x."""

    error: torch.Tensor

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        sent = compress.after_adding(self.error, gradients[0], step.step_size)
        subtract_(self.error, sent)
        return Message({"c": sent})

    def error_kept(self) -> torch.Tensor:
        return self.error


@dataclass(slots=True)
class CompressedStep(Worker):
    """Keeps nothing."""

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        return Message({"c": compress(gradients[0] * step.step_size)})


class EF(Method):
    """Error feedback: what is not sent now is added to what is sent next."""

    name: ClassVar[str] = "ef"
    paper: ClassVar[str] = "Seide et al. 2014; EF21, Algorithm 3"
    theorems: ClassVar[Theorems] = "feedback"

    feedback: Literal["ef", "none"] = "ef"

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return Shift(x0)

    def worker(self, x0: torch.Tensor) -> Worker:
        if self.feedback == "none":
            return CompressedStep()
        return ErrorFeedback(torch.zeros_like(x0))
