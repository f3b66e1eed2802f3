"""What a config names as ``module:callable``."""

from __future__ import annotations

import importlib
from typing import Any

from psim.errors import ConfigError


def attribute(name: str, path: str) -> Any:
    """The attribute of that name. Raises ConfigError, about the key ``path``."""
    module, _, attributes = name.partition(":")
    try:
        value: Any = importlib.import_module(module)
        for part in attributes.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError) as error:
        raise ConfigError(f"{name!r} cannot be imported: {error}", path) from None
    return value
