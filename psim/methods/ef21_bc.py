"""EF21-BC (Fatkhullin et al. 2021, "EF21 with bells and whistles", Algorithm 5): both directions
compressed, each with a Markov compressor of its own.

    x^{t+1}    = x^t - γ g^t
    c_i^{t+1}  = C_w(∇f_i(x^{t+1}) - g̃_i^t),   g̃_i^{t+1} = g̃_i^t + c_i^{t+1}
    g̃^{t+1}    = g̃^t + (1/n) Σ c_i^{t+1}                     at the master
    b^{t+1}    = C_M(g̃^{t+1} - g^t),           g^{t+1} = g^t + b^{t+1}

b is broadcast, and all nodes hold g and x. C_w is the config's compressor, C_M ``compressor_down``.
Both start from 0: g̃_i^0 as EF21's ``init`` says, and g^0 = C_M(g̃^0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from psim.compressors.base import AnyCompressor
from psim.methods.base import Compress, Master, Message, Schema, Theorems
from psim.methods.ef21 import EF21
from psim.vectors import add_, torch

if TYPE_CHECKING:
    from psim.step import Step


@dataclass(slots=True)
class MarkovMaster(Master):
    """g̃, the mean of the workers' estimates, and g, what all nodes hold of it."""

    mean: torch.Tensor
    known: torch.Tensor

    def compress(self, update: Message, step: Step, compress: Compress) -> Message:
        add_(self.mean, update.payloads["u"])
        sent = compress.difference(self.mean, self.known)
        add_(self.known, sent)
        return Message({"u": sent})


class EF21BC(EF21):
    """EF21 with the broadcast compressed too."""

    name: ClassVar[str] = "ef21_bc"
    paper: ClassVar[str] = "Fatkhullin et al. 2021, Algorithm 5"
    theorems: ClassVar[Theorems] = None
    update: ClassVar[Schema] = Schema(("u",), compressed={"u": "compressor_down"})

    downlink: Literal["update"] = "update"
    compressor_down: AnyCompressor

    def master(self, x0: torch.Tensor, workers: int) -> Master:
        return MarkovMaster(torch.zeros_like(x0), torch.zeros_like(x0), torch.zeros_like(x0))
