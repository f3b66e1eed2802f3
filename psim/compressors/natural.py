"""Natural compression (Horváth et al. 2019, "Natural compression for distributed deep learning",
Definition 1): stochastic rounding to a power of two.

    C(t) = sign(t) 2^⌊log2|t|⌋ or sign(t) 2^⌈log2|t|⌉, with the chances that make the mean t

The error (|t| - 2^a)(2^(a+1) - |t|) is at most t²/8, at |t| = 4/3 · 2^a: ω = 1/8 (Theorem 1).

What travels is a sign and 8 bits for the exponent, as in the paper's float32; but counted down from
the vector's largest power, which travels as a scale, so that float64 needs no more. What is below
the last exponent, 2^-254 of the largest, becomes that power or 0, without bias.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import frexp
from typing import TYPE_CHECKING, ClassVar, Literal

from psim.compressors.base import Compressor, Guarantee, Level, State
from psim.compressors.grid import draws
from psim.quantized import EXPONENT_WIDTH, NOTHING, Quantized, Rule, is_long
from psim.vectors import Payload, torch

if TYPE_CHECKING:
    import numpy as np

    from psim.step import Step

OMEGA = 1.0 / 8.0
LAST = NOTHING - 1
"""How far below the largest exponent the last one is."""
DEEPEST = 2098
"""Between the exponents of the largest float64 and the smallest."""


class Natural(Compressor):
    """Stochastic rounding to powers of two.

    ``scale: unbiased`` has ω = 1/8; ``contractive`` sends 1/(1 + ω) of it: α = 8/9.
    """

    name: ClassVar[str] = "natural"
    paper: ClassVar[str] = "Horváth et al. 2019"
    sends = "codes"
    promises: ClassVar[str] = "unbiased: ω = 1/8; contractive: α = 8/9"

    scale: Literal["unbiased", "contractive"] = "unbiased"

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        self.at(level)
        top, codes = _codes(vector, lambda: step.private("natural"))
        scale = vector.new_tensor([top])
        if self.scale == "contractive":
            scale = scale / (1.0 + OMEGA)
        return Quantized.block(Rule.EXPONENT, EXPONENT_WIDTH, codes, scale, vector.numel()), state

    def guarantee(self, size: int) -> Guarantee:
        if self.scale == "contractive":
            return Guarantee("contractive", 1.0 / (1.0 + OMEGA))
        return Guarantee("unbiased", OMEGA)


def _codes(
    vector: torch.Tensor, generator: Callable[[], np.random.Generator]
) -> tuple[float, torch.Tensor]:
    """The largest power of two among the rounded entries, and all entries' codes."""
    if is_long(vector):
        from psim.kernels import coded

        most, table = _largest_exponent(vector.dtype), _powers(vector.device).numpy()
        found = coded.exponents(vector.numpy(), generator, most, LAST, EXPONENT_WIDTH, table)
        if found is not None:
            return 2.0 ** found[0], torch.from_numpy(found[1])
    draw = draws(vector, generator())
    # |v| = fraction · 2^exponent with 1/2 <= fraction < 1, between 2^(exponent - 1) and the next.
    fraction, exponent = torch.frexp(vector.abs().double())
    filled = fraction > 0
    if not bool(torch.isfinite(vector).all()):
        return float("nan"), torch.full_like(exponent, NOTHING, dtype=torch.int32)
    if not bool(filled.any()):
        return 0.0, torch.full_like(exponent, NOTHING, dtype=torch.int32)
    power = exponent - 1 + (draw < 2.0 * fraction - 1.0)
    power = power.clamp_(max=_largest_exponent(vector.dtype))  # the next one is no float
    top = int(power[filled].max())
    below = top - power
    depth = top - LAST - exponent  # from 0 on: below the last exponent
    rest = fraction * _powers(vector.device)[depth.clamp(min=0, max=DEEPEST).long()]
    last = torch.where(draw < rest, LAST, NOTHING)
    code = torch.where(depth >= 0, last, below)
    code = torch.where(filled, code, NOTHING)
    return 2.0**top, (code + 256 * (vector < 0)).to(torch.int32)


def _largest_exponent(dtype: torch.dtype) -> int:
    """Of the largest power of two below infinity."""
    return frexp(torch.finfo(dtype).max)[1] - 1


@lru_cache(maxsize=8)
def _powers(device: torch.device) -> torch.Tensor:
    """2^0, 2^-1, …, float64; beyond the smallest float they are 0."""
    table = torch.tensor([2.0**-e for e in range(DEEPEST + 1)], dtype=torch.float64)
    return table.to(device)
