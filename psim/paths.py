"""Paths in a config: relative ones start at the config's folder, those in ``--set`` at the current.

The validators here only compute: they look at no file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo


class FromShell(str):
    """A value given on the command line: relative paths in it start at the current folder."""

    __slots__ = ()


def resolve(value: str, info: ValidationInfo) -> str:
    """The path, made absolute; the context's ``folder`` is the config's."""
    folder = "." if isinstance(value, FromShell) else (info.context or {}).get("folder", ".")
    return str((Path(folder) / Path(value).expanduser()).resolve())


def _path(value: object, info: ValidationInfo) -> object:
    return resolve(value, info) if isinstance(value, str) else value


FilePath = Annotated[str, BeforeValidator(_path)]
"""A path, absolute once the config is read."""
