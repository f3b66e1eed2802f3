"""QSGD (Alistarh et al. 2017, "QSGD: Communication-efficient SGD via gradient quantization and
encoding", section 3.1): stochastic rounding to s levels of the norm.

    C(v)_i = ‖v‖ sign(v_i) ξ_i / s,   ξ_i one of the two neighbours of s|v_i|/‖v‖, with mean that

With x_i = s|v_i|/‖v‖ and f(x) the product of x's distances to its two neighbours, the error is
(‖v‖/s)² Σ f(x_i). For the Euclidean norm Σ x_i² = s². Since f <= min(x - x², 1/4) up to x = 1/2 and
f <= 1/4 beyond, which in x² is a concave bound that does not fall, the sum is largest where all x_i
are s/√d: ω = √d/s - 1 for d >= 4s², reached there, and ω <= d/(4s²) otherwise. That is never above
the paper's min(d/s², √d/s) (Lemma 3.1). With the largest magnitude in place of the norm one entry
has x = s, and no error; it is worst that all others have the same x below 1, where the error of
(d - 1)(x - x²) in s² + (d - 1)x² is largest: ω = (√(1 + (d - 1)/s²) - 1)/2.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from psim.compressors.base import Compressor, Guarantee, Level, State
from psim.compressors.grid import draws, stochastic_codes, units, width_of
from psim.compressors.norms import euclidean, largest
from psim.quantized import Quantized, Rule, is_long
from psim.vectors import Payload, torch

if TYPE_CHECKING:
    import numpy as np

    from psim.step import Step


class QSGD(Compressor):
    """Stochastic rounding to s levels of the norm.

    ``norm`` is the Euclidean one, as in the paper's analysis, or the largest magnitude, as in its
    experiments; ``bucket`` cuts the vector into parts of so many entries, each with a norm of its
    own. ``scale: unbiased`` has ω as above, with d the bucket; ``contractive`` sends 1/(1 + ω) of
    it: α = 1/(1 + ω).
    """

    name: ClassVar[str] = "qsgd"
    paper: ClassVar[str] = "Alistarh et al. 2017"
    sends = "codes"
    promises: ClassVar[str] = (
        "unbiased: ω = √d/s - 1 where d >= 4s², else d/(4s²); contractive: α = 1/(1 + ω)"
    )
    leveled: ClassVar[str] = "levels"

    levels: int = Field(ge=1, lt=2**30)
    norm: Literal["euclidean", "largest"] = "euclidean"
    bucket: int | None = Field(None, ge=1)
    scale: Literal["unbiased", "contractive"] = "unbiased"

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        return self.at(level).quantized(vector, step.private("qsgd")), state

    def quantized(self, vector: torch.Tensor, generator: np.random.Generator) -> Quantized:
        """The codes of a vector; draws a number in [0, 1) for each entry."""
        size = vector.numel()
        if not size:
            return Quantized.block(Rule.UNIFORM, 1, vector.to(torch.int32), vector)
        length = min(self.bucket or size, size)
        top = largest(vector, length)
        norms = euclidean(vector, length, top) if self.norm == "euclidean" else top
        unit = units(norms, self.levels, top, vector.dtype)
        lengths = torch.full((len(unit),), length)
        lengths[-1] = size - length * (len(unit) - 1)
        codes = self._codes(vector, unit, lengths, generator)
        scales = unit / (1.0 + self._omega(size)) if self.scale == "contractive" else unit
        return Quantized(size, Rule.UNIFORM, width_of(self.levels), codes, scales, lengths)

    def _codes(
        self,
        vector: torch.Tensor,
        unit: torch.Tensor,
        lengths: torch.Tensor,
        generator: np.random.Generator,
    ) -> torch.Tensor:
        """Each entry over its row's unit, rounded at random."""
        if is_long(vector):
            from psim.kernels import coded

            wide, width = unit.double().numpy(), width_of(self.levels)
            found = coded.stochastic(
                vector.numpy(), wide, int(lengths[0]), generator, self.levels, width
            )
            return torch.from_numpy(found[0])
        each = torch.repeat_interleave(unit, lengths.to(unit.device))
        ratio = vector.double() / each.double()
        return stochastic_codes(ratio, draws(vector, generator), self.levels)

    def guarantee(self, size: int) -> Guarantee:
        omega = self._omega(size)
        if self.scale == "contractive":
            return Guarantee("contractive", 1.0 / (1.0 + omega))
        return Guarantee("unbiased", omega)

    def _omega(self, size: int) -> float:
        length, levels = min(self.bucket or size, size), self.levels
        if self.norm == "largest":
            return (sqrt(1.0 + (length - 1) / levels**2) - 1.0) / 2.0
        if length >= 4 * levels**2:
            return sqrt(length) / levels - 1.0
        return length / (4.0 * levels**2)
