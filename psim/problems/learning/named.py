"""What a config names as ``module:callable``."""

from __future__ import annotations

from typing import Any

from psim.errors import ConfigError
from psim.registry import imported


def attribute(name: str, path: str) -> Any:
    """The attribute of that name. Raises ConfigError, about the key ``path``."""
    try:
        return imported(name)
    except ConfigError as error:
        raise ConfigError(f"{name!r} {error}", path) from None
