"""MovieLens ratings (Harper and Konstan 2015): who rated what, and when.

``u.data`` (100K) has tabs between user, item, rating and time, ``ratings.dat`` (1M) two colons, and
``ratings.csv`` (20M and later) commas below a line of names. The published .zip archives are read
without being unpacked.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.data.learning.places import absent, find
from psim.data.libsvm import LARGEST_TEXT, read_text
from psim.errors import DataError

FORMS = ("u.data", "ratings.dat", "ratings.csv")
ARCHIVES = {"100k": "ml-100k.zip", "1m": "ml-1m.zip", "20m": "ml-20m.zip"}
"""By version."""
RATINGS = {"100k": 100_000, "1m": 1_000_209, "20m": 20_000_263}
"""As the archives' own documents say."""
_SUBFOLDER = "movielens"


class Ratings(NamedTuple):
    """int64 arrays of shape (N,): identifiers as they are in the file, and seconds."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    times: NDArray[np.int64]


def find_version(version: str) -> Path:
    """The file or archive of a published version. DataError says where it was looked for."""
    archive = ARCHIVES[version]
    names = [f"{archive.removesuffix('.zip')}/{form}" for form in FORMS] + [archive]
    path = find(names, _SUBFOLDER)
    if path is None:
        name = archive.removesuffix(".zip")
        fix = f"`psim data get {name}` fetches it, or give the path of a ratings file"
        raise absent(f"movielens {version}", names, _SUBFOLDER, fix)
    return path


def read(path: Path) -> Ratings:
    """The ratings of a file in one of the three forms, or in an archive. Raises DataError."""
    if path.suffix == ".zip":
        name, content = _unpacked(path)
    else:
        name, content = path.name, read_text(path)
    source = str(path) if path.suffix != ".zip" else f"{path}/{name}"
    if name.endswith(".csv") or content.startswith(b"userId,"):
        return _table(content, ",", True, source)
    if b"::" in content[:200]:
        return _table(content.replace(b"::", b"\t"), "\t", False, source)
    return _table(content, "\t", False, source)


def _unpacked(path: Path) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = Path(member.filename).name
                if name in FORMS and member.file_size <= LARGEST_TEXT:
                    return name, archive.read(member)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no .zip archive that can be read: {error}") from None
    raise DataError(f"{path}: holds none of {', '.join(FORMS)}")


def _table(content: bytes, separator: str, header: bool, source: str) -> Ratings:
    import polars as pl

    try:
        table = pl.read_csv(
            io.BytesIO(content),
            separator=separator,
            has_header=False,
            skip_rows=1 if header else 0,
            columns=[0, 1, 3],
            infer_schema=False,
        )
        columns = [table[:, column].cast(pl.Int64) for column in range(3)]
    except pl.exceptions.PolarsError as error:
        cause = str(error).partition("\n")[0]
        raise DataError(
            f"{source}: {cause}: a line has user, item, rating and time, as MovieLens writes them"
        ) from None
    if any(column.null_count() for column in columns):
        raise DataError(f"{source}: a line lacks a user, an item or a time")
    return Ratings(*(column.to_numpy().copy() for column in columns))
