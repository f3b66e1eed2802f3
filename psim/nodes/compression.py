"""The compressor as a method sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psim.vectors import Dense, Payload, cast, torch

if TYPE_CHECKING:
    from psim.compressors.base import Compressor, State
    from psim.step import Step


class Compression:
    """One rank's compressor with its state. Rounding to the type on the wire belongs to it: what
    it returns is what arrives.
    """

    def __init__(self, compressor: Compressor, dtype: torch.dtype) -> None:
        self.compressor, self.dtype = compressor, dtype
        self.state: State = None
        self.step: Step

    def at(self, step: Step) -> Compression:
        """The same, in the round of ``step``."""
        self.step = step
        return self

    def __call__(self, vector: torch.Tensor) -> Payload:
        payload, self.state = self.compressor.compress(vector, self.state, self.step)
        return cast(payload, self.dtype)

    def whole(self, vector: torch.Tensor) -> Dense:
        """The vector uncompressed, in memory of its own."""
        return Dense(vector.to(self.dtype, copy=True))
