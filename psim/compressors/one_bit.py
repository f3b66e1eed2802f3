"""One bit with two means (Seide et al. 2014, "1-bit stochastic gradient descent and its application
to data-parallel distributed training of speech DNNs").

An entry becomes the mean of those that share its side of 0, which is the best that two values can
do. With p entries from 0 on, of sum a, and q below, of sum -b, the error is ‖v‖² - a²/p - b²/q; and
a²/p + b²/q >= (a + b)²/d = ‖v‖₁²/d >= ‖v‖²/d, equal for a single positive entry: α = 1/d.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from psim.compressors.base import Compressor, Guarantee, Level, State
from psim.compressors.norms import mean_magnitude
from psim.quantized import Quantized, Rule, is_long
from psim.vectors import Payload, torch

if TYPE_CHECKING:
    from psim.step import Step


class OneBit(Compressor):
    """The mean of the entries below 0, or that of the others. Contraction: α = 1/d."""

    name: ClassVar[str] = "one_bit"
    paper: ClassVar[str] = "Seide et al. 2014"
    sends = "codes"
    promises: ClassVar[str] = "contractive: α = 1/d"

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        self.at(level)
        codes, ones = _codes(vector)
        size = vector.numel()
        means = torch.cat([-_mean(vector, -1, size - ones), _mean(vector, 1, ones)])
        return Quantized.block(Rule.MEANS, 1, codes, means, size), state

    def guarantee(self, size: int) -> Guarantee:
        return Guarantee("contractive", 1.0 / size)


def _codes(vector: torch.Tensor) -> tuple[torch.Tensor, int]:
    """1 for what is not below 0, or no number; how many are 1."""
    if is_long(vector):
        from psim.kernels import coded

        codes, ones = coded.signs(vector.numpy(), of_nan=1)
        return torch.from_numpy(codes), ones
    others = ~(vector < 0)
    return others.to(torch.int32), int(others.sum())


def _mean(vector: torch.Tensor, side: int, count: int) -> torch.Tensor:
    """The mean magnitude of one side's entries, NaN where one is; 0 of none. Shape (1,)."""
    if not count:
        return vector.new_zeros(1)
    return mean_magnitude(vector, side, count).to(vector.dtype)
