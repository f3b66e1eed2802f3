"""DIANA (Mishchenko et al. 2019, "Distributed learning with compressed gradient differences",
Algorithm 1, without a proximal term): shifts that learn the gradients, for unbiased compressors.

    m_i^t     = Q(g_i^t - h_i^t)          g_i^t: of the minibatch, or ∇f_i(x^t);  h_i^0 = 0
    ĝ^t       = h^t + (1/n) Σ m_i^t
    x^{t+1}   = x^t - γ ĝ^t
    h_i^{t+1} = h_i^t + α m_i^t,   h^{t+1} = h^t + (α/n) Σ m_i^t

h is the mean of the h_i. The theory wants α ≤ 1/(1 + ω), Q having E‖Q(v) - v‖² ≤ ω‖v‖²: give Rand-k
and the quantizers ``scale: unbiased``. The paper's momentum β, v^t = β v^{t-1} + ĝ^t, is that of
the config's ``optimizer``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from psim.methods.base import Compress, Iterate, Message, Method, Worker
from psim.vectors import Dense, add_, scale, torch

if TYPE_CHECKING:
    from psim.step import Step


@dataclass(slots=True)
class ShiftedDescent(Iterate):
    """x ← x - γ (h + u), then h ← h + α u."""

    shift: torch.Tensor
    alpha: float

    def advance(self, update: Message, step: Step) -> None:
        change = update.payloads["u"]
        self.descend(Dense(add_(self.shift.clone(), change)), step)
        add_(self.shift, scale(change, self.alpha, self.shift.dtype))


@dataclass(slots=True)
class ShiftedWorker(Worker):
    """h_i."""

    shift: torch.Tensor
    alpha: float

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        sent = compress.difference(gradients[0], self.shift)
        add_(self.shift, scale(sent, self.alpha, self.shift.dtype))
        return Message({"c": sent})


class DIANA(Method):
    """Compressed differences to learned shifts, for unbiased compressors."""

    name: ClassVar[str] = "diana"
    paper: ClassVar[str] = "Mishchenko et al. 2019, Algorithm 1"
    optimized: ClassVar[bool] = True

    alpha: float = Field(gt=0, le=1)

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return ShiftedDescent(x0, torch.zeros_like(x0), self.alpha)

    def worker(self, x0: torch.Tensor) -> Worker:
        return ShiftedWorker(torch.zeros_like(x0), self.alpha)
