"""Sizes that a config gives: whole numbers from 1."""

from __future__ import annotations

from psim.errors import ConfigError


def check_sizes(**sizes: int) -> None:
    """Raise ConfigError for the first of the named sizes that is no whole number from 1.

    A layer of no units would be made with a warning, and one of 2.5 with an error about tensors.
    """
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise ConfigError(f"{size!r}: give a whole number from 1", name)
