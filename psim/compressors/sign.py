"""Scaled sign (Karimireddy et al. 2019, "Error feedback fixes SignSGD and other gradient
compression schemes"): signs, and one mean magnitude.

    C(v) = (‖v‖₁/d) sign(v)

The error is ‖v‖² - ‖v‖₁²/d, whatever the sign of 0, which is + here. Since ‖v‖₁ >= ‖v‖ (equal for a
single entry), α = 1/d, and ‖v‖₁²/(d‖v‖²) for a given v.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from psim.compressors.base import Compressor, Guarantee, Level, State
from psim.compressors.norms import mean_magnitude
from psim.quantized import Quantized, Rule, is_long
from psim.vectors import Payload, torch

if TYPE_CHECKING:
    from psim.step import Step


class Sign(Compressor):
    """Signs times the mean magnitude. Contraction: α = 1/d."""

    name: ClassVar[str] = "sign"
    paper: ClassVar[str] = "Karimireddy et al. 2019"
    sends = "codes"
    promises: ClassVar[str] = "contractive: α = 1/d"

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        self.at(level)
        size = vector.numel()
        if not size:
            return Quantized.block(Rule.SIGN, 1, vector.to(torch.int32), vector), state
        scale = mean_magnitude(vector).to(vector.dtype)
        return Quantized.block(Rule.SIGN, 1, _codes(vector), scale, size), state

    def guarantee(self, size: int) -> Guarantee:
        return Guarantee("contractive", 1.0 / size)


def _codes(vector: torch.Tensor) -> torch.Tensor:
    """1 for what is not below 0, and 0 for what is no number."""
    if is_long(vector):
        from psim.kernels import coded

        return torch.from_numpy(coded.signs(vector.numpy(), of_nan=0)[0])
    return (vector >= 0).to(torch.int32)
