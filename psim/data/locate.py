"""Where a data set's file is: a path, ``PSIM_DATA``, or the cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from psim.data.known import KNOWN
from psim.errors import DataError, nearest

SUFFIXES = ("", ".xz", ".bz2", ".gz")
"""What a known file's name may end in: plain, or packed."""


def locate(dataset: str) -> Path:
    """The file of a known data set, or of a path. DataError says where it was looked for."""
    if dataset not in KNOWN:
        return _given(Path(dataset))
    folders = folders_searched()
    for folder in folders:
        for suffix in SUFFIXES:
            candidate = folder / f"{dataset}{suffix}"
            if candidate.is_file():
                return candidate
    raise DataError(_absence(dataset, folders))


def folders_searched(subfolder: str = "libsvm") -> list[Path]:
    """``PSIM_DATA`` and a ``subfolder`` of it, then the cache folder."""
    named = os.environ.get("PSIM_DATA")
    own = [Path(named).expanduser(), Path(named).expanduser() / subfolder] if named else []
    return [*own, cache_folder()]


def cache_folder() -> Path:
    """``psim/data`` in the user's cache (XDG base directories)."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    # a relative path there is to be ignored, says the XDG specification
    base = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return base / "psim" / "data"


def _given(path: Path) -> Path:
    try:
        if path.is_file():
            return path
    except PermissionError:
        raise DataError(f"{path}: this user may not read it: see whose its folders are") from None
    if path.is_dir():
        raise DataError(f"{path}: is a folder: give the path of one LIBSVM file in it")
    raise DataError(
        f"{path}: no such file, and {path.name!r} is no data set; {nearest(path.name, KNOWN)}"
    )


def _absence(dataset: str, folders: list[Path]) -> str:
    places = ", ".join(str(folder) for folder in folders)
    unset = "" if os.environ.get("PSIM_DATA") else " (PSIM_DATA is not set)"
    return (
        f"the data set {dataset} is not here: looked for a file {dataset} "
        f"(or {dataset}.xz, .bz2, .gz) in {places}{unset}. `psim data get {dataset}` fetches it"
    )
