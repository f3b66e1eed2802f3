"""Rounding to a grid (Gupta et al. 2015, "Deep learning with limited numerical precision"): the
multiples of ε.

Absolute (Sahu et al. 2021, section 5). Their κ² = dε² holds for any scheme whose error is at most
ε. Here the nearest multiple misses by ε/2 at most, and for a stochastic one the squared error is
ε²p(1 - p) on average, p the distance to the one below in units of ε: κ² = dε²/4 for both, reached
halfway between two multiples.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from psim.compressors.base import Compressor, Guarantee, Level, State
from psim.compressors.grid import draws, stochastic_codes, width_of
from psim.compressors.norms import largest
from psim.quantized import WIDEST, Quantized, Rule, is_long
from psim.vectors import Dense, Payload, torch

if TYPE_CHECKING:
    from psim.step import Step

Mode = Literal["stochastic", "nearest"]


class Rounding(Compressor):
    """Multiples of ε, as codes of as many bits as the largest of them takes.

    ``mode: nearest`` rounds to the nearest one (halves to even), ``stochastic`` to one of the two
    neighbours, without bias. Absolute: κ² = dε²/4. A vector with an entry beyond ±2^31 ε travels as
    floats: the multiples of ε, and those entries as they are.
    """

    name: ClassVar[str] = "rounding"
    paper: ClassVar[str] = "Gupta et al. 2015; Sahu et al. 2021, section 5"
    sends = "codes"
    promises: ClassVar[str] = "absolute: κ² = d ε²/4"
    leveled: ClassVar[str] = "epsilon"

    epsilon: float = Field(gt=0)
    mode: Mode = "stochastic"

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        generator = step.private("rounding") if self.mode == "stochastic" else None
        unit = vector.new_tensor([self.at(level).epsilon])
        return to_grid(vector, unit, 1.0, float(unit), generator, None), state

    def guarantee(self, size: int) -> Guarantee:
        return Guarantee("absolute", size * self.epsilon**2 / 4.0)


def to_grid(
    vector: torch.Tensor,
    unit: torch.Tensor,
    factor: float,
    divisor: float,
    generator: np.random.Generator | None,
    width: int | None,
) -> Quantized | Dense:
    """Multiples of ``unit`` (1,): v · factor / divisor, in float64, and one of these two is 1,
    rounded to the nearest whole number, or at random to a neighbour.

    In codes of ``width`` bits, or of as many as the largest takes. Dense where a code would not
    fit, with the entries whose code does not as they are.
    """
    most = 2 ** ((width or WIDEST) - 1) - 1
    if is_long(vector):
        top = float(largest(vector, vector.numel())) * factor / divisor
        if top <= most - 1:
            return _long_to_grid(vector, unit, factor, divisor, generator, width, top)
    # By a tensor: dividing by a number, some devices multiply by its reciprocal.
    divisors = torch.tensor([divisor], dtype=torch.float64, device=vector.device)
    ratio = vector.double() * factor / divisors
    fits = ratio.abs() <= most - 1
    inside = torch.where(fits, ratio, torch.zeros_like(ratio))
    if generator is None:
        codes = inside.round_().to(torch.int32)
    else:
        codes = stochastic_codes(inside, draws(vector, generator), most)
    highest = int(codes.abs().max()) if codes.numel() else 0
    rounded = Quantized.block(Rule.UNIFORM, width or width_of(highest), codes, unit)
    if bool(fits.all()):
        return rounded
    return Dense(torch.where(fits, rounded.plain(vector.dtype).values, vector))


def _long_to_grid(
    vector: torch.Tensor,
    unit: torch.Tensor,
    factor: float,
    divisor: float,
    generator: np.random.Generator | None,
    width: int | None,
    top: float,
) -> Quantized:
    """The same of a long vector whose codes fit, ``top`` being the largest before it is rounded:
    the string is written at the width that it may take, and again where it takes less.
    """
    from psim.kernels import coded

    values, size = vector.numpy(), vector.numel()
    if generator is None:
        width = width or width_of(round(top))
        codes = coded.nearest(values, factor, divisor, width)
    else:
        wide, units = width_of(floor(top) + 1), np.array([divisor])
        codes, highest = coded.stochastic(
            values, units, size, generator, 2 ** (WIDEST - 1) - 1, wide
        )
        width = width_of(highest)
        codes = codes if width == wide else coded.narrowed(codes, size, wide, width)
    return Quantized.block(Rule.UNIFORM, width, torch.from_numpy(codes), unit, size)
