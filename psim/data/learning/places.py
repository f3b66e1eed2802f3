"""Where the files of a data set for networks are: ``PSIM_DATA``, a subfolder of it, the cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from psim.data.locate import folders_searched
from psim.errors import DataError


def find(names: Sequence[str], subfolder: str) -> Path | None:
    """The first of ``names`` (files or folders) that is in any of the folders; None where none is.

    An earlier name goes before an earlier folder.
    """
    for name in names:
        for folder in folders_searched(subfolder):
            if (folder / name).exists():
                return folder / name
    return None


def absent(dataset: str, names: Sequence[str], subfolder: str, fix: str) -> DataError:
    """Says what was looked for, where, and how to get it."""
    places = ", ".join(str(folder) for folder in folders_searched(subfolder))
    unset = "" if os.environ.get("PSIM_DATA") else " (PSIM_DATA is not set)"
    return DataError(
        f"the data set {dataset} is not here: looked for {', '.join(names)} in {places}{unset}. "
        f"{fix}"
    )
