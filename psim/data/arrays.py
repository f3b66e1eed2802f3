"""The arrays of an .npz file, read without pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from psim.errors import DataError

LARGEST_FILE = 8 << 30
"""Bytes that are read into memory."""


def read(path: Path) -> dict[str, NDArray[np.generic]]:
    """All arrays by name. DataError where the file is missing, damaged or of another kind."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > LARGEST_FILE:
            raise DataError(f"{path}: its arrays take {unpacked} B, more than {LARGEST_FILE} B")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file: save one with numpy.savez") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no .npz file that can be read: {error}") from None
