"""Compressors as a method sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from psim.compressors.layers import PerLayer
from psim.vectors import Dense, Payload, torch
from psim.vectors import cast as rounded

if TYPE_CHECKING:
    from psim.compressors.base import Compressor, Level, State
    from psim.step import Step


class Compression:
    """One rank's compressor with its state, and the method's own compressors beside it. Rounding to
    the type on the wire belongs to them: what they return is what arrives.

    ``use`` is the compressor's key where it is one of the method's own: it draws apart.
    """

    def __init__(
        self,
        compressor: Compressor,
        dtype: torch.dtype,
        others: Mapping[str, Compressor] | None = None,
        use: str = "",
    ) -> None:
        self.compressor, self.dtype, self.use = compressor, dtype, use
        self.state: State = None
        self.step: Step
        self.others = {
            key: Compression(other, dtype, use=key) for key, other in (others or {}).items()
        }

    def at(self, step: Step) -> Compression:
        """The same, in the round of ``step``."""
        self.step = replace(step, use=self.use) if self.use else step
        return self

    def __call__(self, vector: torch.Tensor) -> Payload:
        return self.compress(vector, None)

    def compress(self, vector: torch.Tensor, level: Level | Sequence[Level] | None) -> Payload:
        """C(vector) at a level."""
        wanted = cast("Level | None", level)  # a list is for `psim.compressors.layers` only
        payload, self.state = self.compressor.compress(vector, self.state, self.step, wanted)
        return rounded(payload, self.dtype)

    def difference(
        self,
        target: torch.Tensor,
        kept: torch.Tensor,
        level: Level | Sequence[Level] | None = None,
    ) -> Payload:
        """C(target - kept), as it will arrive."""
        payload, self.state = self.compressor.compress_difference(
            target, kept, self.state, self.step, cast("Level | None", level)
        )
        return rounded(payload, self.dtype)

    def after_adding(
        self,
        kept: torch.Tensor,
        vector: torch.Tensor,
        factor: float,
        level: Level | Sequence[Level] | None = None,
    ) -> Payload:
        """kept ← kept + factor · vector, in place; and C(kept), as it will arrive."""
        payload, self.state = self.compressor.compress_after_adding(
            kept, vector, factor, self.state, self.step, cast("Level | None", level)
        )
        return rounded(payload, self.dtype)

    def whole(self, vector: torch.Tensor) -> Dense:
        """The vector uncompressed, in memory of its own."""
        return Dense(vector.to(self.dtype, copy=True))

    def split(self, vector: torch.Tensor) -> Sequence[torch.Tensor]:
        """The layers that are compressed by themselves, as views."""
        if not isinstance(self.compressor, PerLayer):
            return (vector,)
        return tuple(vector[layer.start : layer.stop] for layer in self.compressor.segments)

    def leveled(self, level: Level | Sequence[Level] | None) -> AtLevel:
        """The same compressor and state, at another level."""
        return AtLevel(self, level)

    def by(self, key: str) -> Compression:
        """The method's own compressor of that key."""
        return self.others[key].at(self.step)


@dataclass(frozen=True, slots=True)
class AtLevel:
    """A `Compression` at a level of its compressor, or at one a layer."""

    compression: Compression
    level: Level | Sequence[Level] | None

    def __call__(self, vector: torch.Tensor) -> Payload:
        return self.compression.compress(vector, self.level)

    def difference(self, target: torch.Tensor, kept: torch.Tensor) -> Payload:
        """C(target - kept), as it will arrive."""
        return self.compression.difference(target, kept, self.level)

    def after_adding(self, kept: torch.Tensor, vector: torch.Tensor, factor: float) -> Payload:
        """kept ← kept + factor · vector, in place; and C(kept), as it will arrive."""
        return self.compression.after_adding(kept, vector, factor, self.level)

    def whole(self, vector: torch.Tensor) -> Dense:
        """The vector uncompressed, in memory of its own."""
        return self.compression.whole(vector)

    def split(self, vector: torch.Tensor) -> Sequence[torch.Tensor]:
        """The layers that are compressed by themselves, as views."""
        return self.compression.split(vector)

    def leveled(self, level: Level | Sequence[Level] | None) -> AtLevel:
        """At another level."""
        return AtLevel(self.compression, level)

    def by(self, key: str) -> Compression:
        """The method's own compressor of that key."""
        return self.compression.by(key)
