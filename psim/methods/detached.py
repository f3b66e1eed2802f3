"""Detached error feedback (Xu and Huang 2022), Algorithm 1 with the momentum of its equation (11).

    g_k^t     = ∇f_k(x^t - λ e_k^t)               detached from x^t; on the minibatch of round t
    m_k^{t+1} = μ m_k^t + g_k^t,   m_k^0 = 0      (11); μ = 0: m_k^{t+1} = g_k^t
    p_k       = γ_t m_k^{t+1} + e_k^t,   e_k^0 = 0
    e_k^{t+1} = p_k - C(p_k)
    x^{t+1}   = x^t - (1/n) Σ C(p_k)

DEF reports y = x - (1/n) Σ e_k, for which y^{t+1} = y^t - (γ_t/n) Σ m_k^{t+1} (equation 8): the
errors are sent once, after the last round. DEF-A reports x. λ = 0 is error feedback (`psim.methods.
ef`). The paper asks for C(a) + C(b) = C(a + b), as random blocks have it (Assumption 3.3); the
algorithm takes any compressor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from psim.methods.base import Compress, Iterate, Message, Method, Whole, Worker
from psim.methods.ef import Shift
from psim.optimizer import Momentum
from psim.vectors import subtract_, torch

if TYPE_CHECKING:
    from psim.step import Step


@dataclass(slots=True)
class DetachedFeedback(Worker):
    """e_k, in units of x, and m_k within the momentum's rule."""

    error: torch.Tensor
    momentum: Momentum
    lam: float

    def queries(self, x: torch.Tensor, step: Step) -> tuple[torch.Tensor | Whole, ...]:
        shift = self.error * self.lam
        return (torch.sub(x, shift, out=shift),)

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        direction = self.momentum.direction(gradients[0], self.error, step.round)
        sent = compress.after_adding(self.error, direction, step.step_size)
        subtract_(self.error, sent)
        return Message({"c": sent})

    def error_kept(self) -> torch.Tensor:
        return self.error


@dataclass(slots=True)
class CorrectedFeedback(DetachedFeedback):
    """The same for methods that report x - (1/n) Σ e_k."""

    def residual(self) -> torch.Tensor:
        return self.error


def heavy_ball(momentum: float, x0: torch.Tensor) -> Momentum:
    """m ← μ m + g, from m = 0; without a buffer where μ = 0."""
    buffer = torch.zeros_like(x0) if momentum else x0.new_zeros(0)
    return Momentum(momentum, nesterov=False, weight_decay=0.0, buffer=buffer)


class DEF(Method):
    """Error feedback with gradients at x - λ e, reporting y = x - mean e."""

    name: ClassVar[str] = "def"
    paper: ClassVar[str] = "Xu and Huang 2022, Algorithm 1"
    averages: ClassVar[bool] = True

    lam: float = Field(0.3, ge=0, le=1)
    momentum: float = Field(0.0, ge=0, lt=1)

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return Shift(x0)

    def worker(self, x0: torch.Tensor) -> Worker:
        return CorrectedFeedback(torch.zeros_like(x0), heavy_ball(self.momentum, x0), self.lam)


class DEFA(DEF):
    """Error feedback with gradients at x - λ e, reporting x."""

    name: ClassVar[str] = "def_a"
    paper: ClassVar[str] = "Xu and Huang 2022, Algorithm 1 (DEF-A)"
    averages: ClassVar[bool] = False

    def worker(self, x0: torch.Tensor) -> Worker:
        return DetachedFeedback(torch.zeros_like(x0), heavy_ball(self.momentum, x0), self.lam)
