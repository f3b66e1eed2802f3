"""What methods have in common that compress at several levels of the config's compressor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import ValidationError

from psim.compressors.base import Compressor, Level
from psim.errors import ConfigError
from psim.quantized import Quantized
from psim.registry import explain
from psim.vectors import Payload, Shared, Sparse


def check_leveled(compressor: Compressor) -> None:
    """Raise ConfigError where the compressor has no level."""
    if not compressor.leveled:
        raise ConfigError(
            f"{compressor.name!r} has no level to change: use one like topk, rbgs or low_rank",
            "compressor.name",
        )


def at_each(compressor: Compressor, levels: Sequence[Level], key: str) -> tuple[Compressor, ...]:
    """The compressor at each of the levels that the config has at ``key``. Raises ConfigError."""
    try:
        return tuple(compressor.at(level) for level in levels)
    except ValidationError as error:
        message = explain(error, type(compressor)).message
    except ConfigError as error:
        message = error.message
    raise ConfigError(message, key)


def with_indices(payload: Payload) -> Payload:
    """The same entries as a payload whose indices travel: receivers derive those of the config's
    own level only.
    """
    if isinstance(payload, Shared):
        assert payload.indices is not None
        return Sparse(payload.size, payload.indices, payload.values)
    if isinstance(payload, Quantized) and payload.shared:
        return replace(payload, shared=False)
    return payload
