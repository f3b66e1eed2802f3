"""The rows of a data set, from a file or as they ship with scikit-learn."""

from __future__ import annotations

import numpy as np

from psim.data import libsvm, shipped
from psim.data.known import KNOWN
from psim.data.locate import locate
from psim.errors import DataError
from psim.problems.rows import Rows

_kept: dict[tuple[object, ...], Rows] = {}


def read_rows(dataset: str, dimension: int | None = None) -> Rows:
    """The samples of a known data set or of a LIBSVM file; ``dimension`` d where it is given.

    A known one has its own d, and may be widened; a file's is its largest index. Raises DataError.
    """
    kept = _kept.get(_key(dataset, dimension)) if _kept else None
    return kept or _read(dataset, dimension)


def keep_rows(dataset: str, dimension: int | None = None) -> None:
    """Read them now and keep them, for this process and those that it forks: they share the memory,
    and need not read the file again, while it is the same. Raises DataError.
    """
    key = _key(dataset, dimension)  # first: a file that is replaced meanwhile is another one
    _kept[key] = _read(dataset, dimension)


def _key(dataset: str, dimension: int | None) -> tuple[object, ...]:
    """What is read, and what would show that it is another file by now."""
    if dataset in KNOWN and KNOWN[dataset].shipped:
        return dataset, dimension
    found = locate(dataset).stat()
    return dataset, dimension, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read(dataset: str, dimension: int | None) -> Rows:
    known = KNOWN.get(dataset)
    if known is None:
        return libsvm.read(locate(dataset), dimension)
    if dimension is not None and dimension < known.dimension:
        raise DataError(
            f"dimension = {dimension} is below the {known.dimension} of {dataset}: "
            f"use dimension >= {known.dimension}, or leave it out"
        )
    if known.shipped:
        return _widened(shipped.read(dataset), dimension or known.dimension)
    path = locate(dataset)
    rows = libsvm.read(path, dimension or known.dimension)
    known.check(path, rows.count)
    return rows


def _widened(rows: Rows, dimension: int) -> Rows:
    """With columns of zeros added."""
    missing = dimension - rows.size
    return Rows(np.pad(rows.features, ((0, 0), (0, missing))), rows.labels) if missing else rows
