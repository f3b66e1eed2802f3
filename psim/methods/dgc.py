"""Update compression (Sahu et al. 2021, "Rethinking gradient sparsification", Algorithm 3), with
the options of Deep Gradient Compression (Lin et al. 2018): every worker compresses its momentum.

    G_i       = g_i^t, scaled down to norm √n ``clip`` where it is longer
    m_i       ← λ m_i + G_i                                          m_i = e_i = 0 before round 0
    v_i       = m_i                     nesterov: G_i + λ m_i, or with ``powersgd`` G_i + m_i
    p_i       = e_i + v_i
    e_i       ← p_i - C(p_i)
    m_i       ← 0 where C(p_i) has an entry other than 0             (``masking``)
    x^{t+1}   = x^t - (γ_t/n) Σ C(p_i)

Of Sahu et al. is Algorithm 3: momentum before the compressor, which they write for Nesterov's step
``powersgd`` and without an option. Of Lin et al. (sections 3.1 to 3.3, Algorithm 4):

- momentum correction: the same sum of momenta, with heavy ball's step or Nesterov's;
- momentum factor masking, which stops momentum that is older than what was sent;
- local clipping: their bound n^{-1/2} ``clip`` is for gradients divided by n, of which ``clip``
  bounds the sum; a g_i here is n times that;
- sparsity warm-up: the compressor is at each of ``warmup.levels`` for ``warmup.rounds`` rounds,
  then as the config gives it. Theirs are shares of 25%, 6.25%, 1.5625% and 0.4%, an epoch each.

Only compressors that pick entries leave some behind: where all of v_i travels, there is no mask.
During warm-up all indices travel, also those that ranks share. With ``memory: update`` the error is
in units of x, as in `ef_sgd`; λ = 0 is that method. Weight decay is the optimizer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from psim.compressors.base import Compressor, Level
from psim.methods.base import Compress, Iterate, Message, Method, Worker
from psim.methods.dcgd import Descent
from psim.methods.ef_sgd import Memory, compensated
from psim.methods.levels import at_each, check_leveled, with_indices
from psim.optimizer import Momentum
from psim.registry import Model
from psim.vectors import Coded, Dense, Payload, torch

if TYPE_CHECKING:
    from psim.step import Step


class WarmUp(Model):
    """Levels of the compressor, each for so many rounds, before its own."""

    levels: tuple[Level, ...] = Field(min_length=1)
    rounds: int = Field(ge=1)


@dataclass(slots=True)
class MomentumFeedback(Worker):
    """e_i, and m_i within the momentum's rule. ``levels`` are those of the first rounds, each for
    ``hold`` of them.
    """

    error: torch.Tensor
    memory: Memory
    momentum: Momentum
    masking: bool
    clip: float | None
    levels: tuple[Level, ...]
    hold: int

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        gradient = self._clipped(gradients[0], step.workers)
        direction = self.momentum.direction(gradient, self.error, step.round)
        factor = step.step_size if self.memory == "update" else 1.0
        warming = step.round < len(self.levels) * self.hold
        if warming:
            compress = compress.leveled(self.levels[step.round // self.hold])
        sent = compensated(self.error, direction, factor, compress)
        if self.masking:
            clear_where_sent_(self.momentum.buffer, sent)
        return Message({"c": with_indices(sent) if warming else sent})

    def _clipped(self, gradient: torch.Tensor, workers: int) -> torch.Tensor:
        if self.clip is None:
            return gradient
        limit = workers**0.5 * self.clip
        norm = float(torch.linalg.vector_norm(gradient))
        return gradient if norm <= limit else gradient * (limit / norm)

    def error_kept(self) -> torch.Tensor:
        return self.error


def clear_where_sent_(momentum: torch.Tensor, sent: Payload) -> None:
    """m ← 0, in place, at the entries of the payload that are not 0; none where it is dense."""
    plain = sent.plain(momentum.dtype) if isinstance(sent, Coded) else sent
    if isinstance(plain, Dense):
        return
    assert plain.indices is not None
    momentum[plain.indices[plain.values != 0]] = 0.0


class DGC(Method):
    """Error feedback on the workers' momentum, which is cleared where it was sent."""

    name: ClassVar[str] = "dgc"
    paper: ClassVar[str] = "Lin et al. 2018; Sahu et al. 2021, Algorithm 3"
    optimized: ClassVar[bool] = True

    momentum: float = Field(ge=0, lt=1)
    nesterov: bool | Literal["powersgd"] = False
    masking: bool = True
    clip: float | None = Field(None, gt=0)
    warmup: WarmUp | None = None
    memory: Memory = "gradient"

    def check(self, compressor: Compressor) -> None:
        if self.warmup is not None:
            check_leveled(compressor)

    def at_levels(self, compressor: Compressor) -> tuple[Compressor, ...]:
        if self.warmup is None:
            return (compressor,)
        return (compressor, *at_each(compressor, self.warmup.levels, "method.warmup.levels"))

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return Descent(x0)

    def worker(self, x0: torch.Tensor) -> Worker:
        zero = torch.zeros_like(x0)
        levels, hold = (self.warmup.levels, self.warmup.rounds) if self.warmup else ((), 1)
        rule = Momentum(self.momentum, self.nesterov, weight_decay=0.0, buffer=zero.clone())
        return MomentumFeedback(zero, self.memory, rule, self.masking, self.clip, levels, hold)
