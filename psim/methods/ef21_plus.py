"""EF21+ (Richtárik, Sokolov, Fatkhullin 2021), Algorithm 4: C or the Markov compressor.

    b_i = C(∇f_i(x^{t+1})),   m_i = g_i^t + C(∇f_i(x^{t+1}) - g_i^t)
    g_i^{t+1} = b_i where ‖b_i - ∇f_i‖² < ‖m_i - ∇f_i‖², m_i otherwise

A worker sends either payload, and a flag that tells which. The master keeps every g_i. Its update
is the mean change of the g_i: c_i on the Markov branch, b_i - g_i on the plain one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psim import vectors
from psim.methods.base import Compress, Iterate, Master, Message, Method, Schema, Theorems, Worker
from psim.methods.ef21 import Init, MarkovDescent, MarkovWorker
from psim.vectors import Dense, Payload, add_, densify, squared_norm, torch

if TYPE_CHECKING:
    from psim.step import Step


@dataclass(slots=True)
class PlusWorker(MarkovWorker):
    """g_i, and the choice between the two compressors."""

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        (gradient,) = gradients
        if step.round == 0:
            started = MarkovWorker.message(self, gradients, step, compress)
            return Message(started.payloads, {"plain": False})
        plain, change = compress(gradient), compress.difference(gradient, self.estimate)
        replaced = densify(plain, gradient.dtype)
        add_(self.estimate, change)
        better = squared_norm(replaced - gradient) < squared_norm(self.estimate - gradient)
        if better:
            self.estimate = replaced
        return Message({"c": plain if better else change}, {"plain": better})


@dataclass(slots=True)
class PlusMaster(Master):
    """Every g_i, by rank; shape (n, d)."""

    estimates: torch.Tensor

    def aggregate(self, messages: Mapping[int, Message], step: Step) -> Message:
        changes = [self._change(rank, messages[rank]) for rank in sorted(messages)]
        return Message({"u": vectors.mean(changes, step.workers, self.total)})

    def observed(self, messages: Mapping[int, Message], step: Step) -> Mapping[str, float]:
        flags = [bool(messages[rank].scalars["plain"]) for rank in sorted(messages)]
        return {"plain": sum(flags) / len(flags)}

    def _change(self, rank: int, message: Message) -> Payload:
        """g_i^{t+1} - g_i^t, once g_i is advanced."""
        payload, estimate = message.payloads["c"], self.estimates[rank]
        if not message.scalars["plain"]:
            add_(estimate, payload)
            return payload
        replaced = densify(payload, estimate.dtype)
        change = replaced - estimate
        estimate.copy_(replaced)
        return Dense(change)


class EF21Plus(Method):
    """EF21 that takes the plain compressor in rounds where it is strictly better."""

    name: ClassVar[str] = "ef21_plus"
    paper: ClassVar[str] = "Richtárik, Sokolov, Fatkhullin 2021, Algorithm 4"
    theorems: ClassVar[Theorems] = "ef21"
    starts: ClassVar[bool] = True
    optimized: ClassVar[bool] = True
    uplink: ClassVar[Schema] = Schema(("c",), ("plain",))

    init: Init = "compressed"

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return MarkovDescent(x0, torch.zeros_like(x0))

    def worker(self, x0: torch.Tensor) -> Worker:
        return PlusWorker(torch.zeros_like(x0), self.init)

    def master(self, x0: torch.Tensor, workers: int) -> Master:
        return PlusMaster(torch.zeros_like(x0), x0.new_zeros(workers, x0.numel()))
