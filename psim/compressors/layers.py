"""``scope: layer``: every layer compressed by itself.

Layers draw apart (`psim.step.Step.layer`), have a state each, and may have a level each. What they
send is one payload over the flat vector: sparse layers make one sparse vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from psim.compressors.base import Compressor, Guarantee, Level, State
from psim.errors import ConfigError
from psim.lowrank import LowRank, Piece
from psim.quantized import Quantized
from psim.segments import Segment, Segments
from psim.vectors import Coded, Dense, Payload, Shared, Sparse, densify, torch

if TYPE_CHECKING:
    from psim.step import Step


class PerLayer(Compressor):
    """One compressor a layer. A level is one for all layers, or a list with one for each."""

    segments: Segments
    layers: tuple[Compressor, ...]

    def compress(
        self,
        vector: torch.Tensor,
        state: State,
        step: Step,
        level: Level | Sequence[Level] | None = None,
    ) -> tuple[Payload, State]:
        states = cast("tuple[State, ...]", state) or (None,) * len(self.layers)
        one = level is None or isinstance(level, int | float | str)
        levels = [level] * len(self.layers) if one else list(cast("Sequence[Level]", level))
        payloads, after = [], []
        for index, (segment, compressor) in enumerate(zip(self.segments, self.layers, strict=True)):
            part = vector[segment.start : segment.stop]
            wanted = cast("Level | None", levels[index]) if compressor.leveled else None
            layer = replace(step, layer=index)
            payload, kept = compressor.compress(part, states[index], layer, wanted)
            payloads.append(payload)
            after.append(kept)
        return joined(payloads, self.segments, vector.dtype), tuple(after)

    def guarantee(self, size: int) -> Guarantee | None:
        """Contractive with the smallest α, unbiased with the largest ω, absolute with Σ κ²."""
        found = [
            layer.guarantee(segment.size)
            for segment, layer in zip(self.segments, self.layers, strict=True)
        ]
        known = [guarantee for guarantee in found if guarantee is not None]
        if len(known) < len(found) or len({guarantee.kind for guarantee in known}) > 1:
            return None
        kind, constants = known[0].kind, [guarantee.constant for guarantee in known]
        if kind == "absolute":
            return Guarantee(kind, math.fsum(constants))
        return Guarantee(kind, min(constants) if kind == "contractive" else max(constants))

    def check(self, size: int) -> None:
        for segment, layer in zip(self.segments, self.layers, strict=True):
            try:
                layer.check(segment.size)
            except ConfigError as error:
                raise ConfigError(f"{error.message} (layer {segment.name})", error.path) from None

    def kept(self, size: int) -> int:
        return sum(
            layer.kept(segment.size)
            for segment, layer in zip(self.segments, self.layers, strict=True)
        )

    def indices(self, size: int, step: Step) -> torch.Tensor | None:
        found = []
        for index, (segment, layer) in enumerate(zip(self.segments, self.layers, strict=True)):
            own = layer.indices(segment.size, replace(step, layer=index))
            if own is None:
                return None
            found.append(own + segment.start)
        return torch.cat(found)


def bound(compressor: Compressor, segments: Segments) -> Compressor:
    """The compressor as its scope has it, for vectors of these layers. Raises ConfigError."""
    if compressor.scope == "model":
        return compressor
    layers = tuple(compressor.of_layer(index, segments) for index in range(len(segments)))
    if not any(isinstance(layer, type(compressor)) for layer in layers):
        raise ConfigError(
            f"'layer': {compressor.name} makes none of this problem's {len(segments)} layers "
            "smaller: use scope: model",
            "compressor.scope",
        )
    return PerLayer(segments=segments, layers=layers)


def joined(payloads: Sequence[Payload], segments: Segments, dtype: torch.dtype) -> Payload:
    """The payloads of the layers as one payload of the whole vector."""
    size = segments[-1].stop
    if any(isinstance(payload, LowRank) for payload in payloads):
        return _factors(payloads, size)
    first = payloads[0]
    if isinstance(first, Quantized) and all(_alike(first, payload) for payload in payloads):
        return _codes(cast("Sequence[Quantized]", payloads), segments)
    plain = [p.plain(dtype) if isinstance(p, Coded) else p for p in payloads]
    if all(isinstance(payload, Sparse) for payload in plain):
        return Sparse(size, _indices(plain, segments), torch.cat([p.values for p in plain]))
    if all(isinstance(payload, Shared) for payload in plain):
        return Shared(size, torch.cat([p.values for p in plain]), _indices(plain, segments))
    return Dense(torch.cat([densify(payload, payload.values.dtype) for payload in plain]))


def _alike(first: Quantized, payload: Payload) -> bool:
    """Whether the codes of both can stand in one string."""
    return (
        isinstance(payload, Quantized)
        and payload.rule == first.rule
        and payload.shared == first.shared
        and payload.listed == first.listed
    )


def _codes(payloads: Sequence[Quantized], segments: Segments) -> Quantized:
    """At the largest width among them."""
    first, width = payloads[0], max(payload.width for payload in payloads)
    if any(payload.packed for payload in payloads):
        from psim.kernels import strings

        count = sum(payload.count for payload in payloads)
        pieces = (payload.pieces() for payload in payloads)
        codes = torch.from_numpy(strings.joined(count, width, pieces))
    else:
        codes = torch.cat([payload.codes for payload in payloads])
    return Quantized(
        segments[-1].stop,
        first.rule,
        width,
        codes,
        torch.cat([payload.scales for payload in payloads]),
        torch.cat([payload.lengths for payload in payloads]),
        None if first.indices is None else _indices(payloads, segments),
        first.shared,
    )


def _factors(payloads: Sequence[Payload], size: int) -> LowRank:
    """Layers that are no matrices travel whole between the others' factors."""
    pieces: list[Piece] = []
    for payload in payloads:
        pieces += payload.pieces if isinstance(payload, LowRank) else [Piece(_size(payload))]
    return LowRank(size, tuple(pieces), torch.cat([payload.values for payload in payloads]))


def _size(payload: Payload) -> int:
    assert isinstance(payload, Dense), "a layer without factors travels whole"
    return payload.size


def _indices(payloads: Sequence[Payload], segments: Sequence[Segment]) -> torch.Tensor:
    """The layers' indices as those of the whole vector."""
    shifted = []
    for payload, segment in zip(payloads, segments, strict=True):
        assert isinstance(payload, Sparse | Shared | Quantized)
        assert payload.indices is not None
        shifted.append(payload.indices + segment.start)
    return torch.cat(shifted)
