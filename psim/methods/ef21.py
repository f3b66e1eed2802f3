"""EF21 (Richtárik, Sokolov, Fatkhullin 2021), Algorithm 2.

    x^{t+1}   = x^t - γ g^t
    c_i^t     = C(∇f_i(x^{t+1}) - g_i^t)
    g_i^{t+1} = g_i^t + c_i^t
    g^{t+1}   = g^t + (1/n) Σ c_i^t

It starts from g_i^0 = C(∇f_i(x^0)) as the algorithm says (``init: compressed``), from ∇f_i(x^0) as
its authors' code does (``full``), or from 0 (``zero``); the theorems hold for any start.

With minibatches (``problem.batch``) it is Algorithm 5: ∇f_i(x^t) is everywhere the gradient on the
rank's minibatch of round t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from psim.methods.base import Compress, Iterate, Message, Method, Theorems, Worker
from psim.vectors import Dense, Payload, add_, nothing, torch

if TYPE_CHECKING:
    from psim.step import Step

Init = Literal["compressed", "full", "zero"]


@dataclass(slots=True)
class MarkovDescent(Iterate):
    """g ← g + u, then x ← x - γ g: a product, then a subtraction; or as the optimizer has it."""

    g: torch.Tensor

    def advance(self, update: Message, step: Step) -> None:
        add_(self.g, update.payloads["u"])
        self.descend(Dense(self.g), step)


@dataclass(slots=True)
class MarkovWorker(Worker):
    """g_i, and how it starts."""

    estimate: torch.Tensor
    init: Init

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        sent = self._start(gradients[0], compress) if step.round == 0 else None
        if sent is None:
            sent = compress.difference(gradients[0], self.estimate)
        add_(self.estimate, sent)
        return Message({"c": sent})

    def _start(self, gradient: torch.Tensor, compress: Compress) -> Payload | None:
        """What makes g_i^0 of 0; None where it is compressed as any other message is."""
        if self.init == "full":
            return compress.whole(gradient)
        return nothing(gradient) if self.init == "zero" else None

    def estimate_of_gradient(self) -> torch.Tensor:
        return self.estimate


class EF21(Method):
    """Error feedback by compressing the change of the gradient (Markov compressor)."""

    name: ClassVar[str] = "ef21"
    paper: ClassVar[str] = "Richtárik, Sokolov, Fatkhullin 2021, Algorithms 2 and 5"
    theorems: ClassVar[Theorems] = "ef21"
    starts: ClassVar[bool] = True
    optimized: ClassVar[bool] = True

    init: Init = "compressed"

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return MarkovDescent(x0, torch.zeros_like(x0))

    def worker(self, x0: torch.Tensor) -> Worker:
        return MarkovWorker(torch.zeros_like(x0), self.init)
