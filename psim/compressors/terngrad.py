"""TernGrad (Wen et al. 2017, "TernGrad: ternary gradients to reduce communication in distributed
deep learning"): -1, 0 or 1 times the largest magnitude.

    C(v)_i = max|v| sign(v_i) b_i,   b_i = 1 with the chance |v_i|/max|v|, else 0

The error is max|v| ‖v‖₁ - ‖v‖² on average. Its ratio to ‖v‖² is largest where one entry is 1 and
all others are 1/(1 + √d): ω = (√d - 1)/2.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from psim.compressors.base import Compressor, Guarantee, Level, State
from psim.compressors.qsgd import QSGD
from psim.vectors import Payload

if TYPE_CHECKING:
    from psim.step import Step
    from psim.vectors import torch


class TernGrad(Compressor):
    """Signs of entries chosen by magnitude, times the largest.

    ``scale: unbiased`` has ω = (√d - 1)/2; ``contractive`` sends 1/(1 + ω) of it:
    α = 1/(1 + ω) = 2/(√d + 1).
    """

    name: ClassVar[str] = "terngrad"
    paper: ClassVar[str] = "Wen et al. 2017"
    sends = "codes"
    promises: ClassVar[str] = "unbiased: ω = (√d - 1)/2; contractive: α = 2/(√d + 1)"

    scale: Literal["unbiased", "contractive"] = "unbiased"

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        self.at(level)
        one_level = QSGD(levels=1, norm="largest", scale=self.scale)
        return one_level.quantized(vector, step.private("terngrad")), state

    def guarantee(self, size: int) -> Guarantee:
        if self.scale == "contractive":
            return Guarantee("contractive", 2.0 / (sqrt(size) + 1.0))
        return Guarantee("unbiased", (sqrt(size) - 1.0) / 2.0)
