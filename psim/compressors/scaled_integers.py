"""Scaled integers (Sapio et al. 2021, "Scaling distributed machine learning with in-network
aggregation"): round(f v) as integers of a fixed width, which a switch can add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from psim.compressors.base import Compressor, Guarantee, Level, State
from psim.compressors.rounding import to_grid
from psim.vectors import Payload

if TYPE_CHECKING:
    from psim.step import Step
    from psim.vectors import torch


class ScaledIntegers(Compressor):
    """The nearest integers to f v, in a fixed number of bits. Absolute: κ² = d/(4f²).

    A vector with an entry beyond their range travels as floats: multiples of 1/f, and those entries
    as they are. Choose f so that this does not happen.
    """

    name: ClassVar[str] = "scaled_integers"
    paper: ClassVar[str] = "Sapio et al. 2021; Sahu et al. 2021, section 5"
    sends = "codes"
    promises: ClassVar[str] = "absolute: κ² = d/(4f²)"
    leveled: ClassVar[str] = "factor"

    factor: float = Field(gt=0)
    width: Literal[8, 16, 32] = 32

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        factor = self.at(level).factor
        unit = vector.new_tensor([1.0 / factor])
        return to_grid(vector, unit, factor, 1.0, None, self.width), state

    def guarantee(self, size: int) -> Guarantee:
        return Guarantee("absolute", size / (4.0 * self.factor**2))
