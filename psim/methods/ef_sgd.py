"""EF-SGD (Sahu et al. 2021, "Rethinking gradient sparsification", Algorithm 1): error feedback with
the compressor applied to what is in units of a gradient.

    p_i     = e_i^t + γ_t g_i^t            g_i^t: of the minibatch, or ∇f_i(x^t);  e_i^0 = 0
    Δ_i     = γ_t C(p_i/γ_t)
    e_i^{t+1} = p_i - Δ_i
    x^{t+1} = x^t - (1/n) Σ Δ_i

What travels is C(p_i/γ_t): absolute compressors have thresholds in units of a gradient. With
``memory: gradient`` the error is in these units too, as in the published experiments:

    p_i = e_i^t + g_i^t,  e_i^{t+1} = p_i - C(p_i),  x^{t+1} = x^t - (γ_t/n) Σ C(p_i)

which differs where γ_t changes. The config's ``optimizer`` takes (1/n) Σ C(·) in the place of a
gradient (Algorithm 2, gradient compression). ``feedback: none`` keeps no error: C(g_i^t) travels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from psim.methods.base import Compress, Iterate, Message, Method, Theorems, Worker
from psim.methods.dcgd import CompressedGradient, Descent
from psim.vectors import Payload, add_scaled_, subtract_, subtract_scaled_, torch

if TYPE_CHECKING:
    from psim.step import Step

Feedback = Literal["ef", "none"]
Memory = Literal["update", "gradient"]


def compensated(
    error: torch.Tensor, direction: torch.Tensor, factor: float, compress: Compress
) -> Payload:
    """C(p/s) with p = e + s v, in which s is ``factor``; e ← p - s C(p/s), in place. ``factor`` is
    γ_t for an error in units of x, and 1 for one in units of a gradient.
    """
    if factor == 1.0:
        sent = compress.after_adding(error, direction, factor)
        subtract_(error, sent)
        return sent
    add_scaled_(error, direction, factor)
    sent = compress(error / factor)
    subtract_scaled_(error, sent, factor)
    return sent


@dataclass(slots=True)
class ScaledFeedback(Worker):
    """e_i, in units of x or of a gradient."""

    error: torch.Tensor
    memory: Memory

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        factor = step.step_size if self.memory == "update" else 1.0
        return Message({"c": compensated(self.error, gradients[0], factor, compress)})

    def error_kept(self) -> torch.Tensor:
        return self.error


class EFSGD(Method):
    """Error feedback for absolute compressors too: the step size stays outside of C."""

    name: ClassVar[str] = "ef_sgd"
    paper: ClassVar[str] = "Sahu et al. 2021, Algorithms 1 and 2"
    theorems: ClassVar[Theorems] = "feedback"
    optimized: ClassVar[bool] = True

    memory: Memory = "update"
    feedback: Feedback = "ef"

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return Descent(x0)

    def worker(self, x0: torch.Tensor) -> Worker:
        if self.feedback == "none":
            return CompressedGradient()
        return ScaledFeedback(torch.zeros_like(x0), self.memory)
