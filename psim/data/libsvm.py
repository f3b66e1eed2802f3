"""A strict reader for LIBSVM text, plain or compressed: ``label index:value index:value …``.

Indices start at 1 and increase along a line; a line may have a label only. scikit-learn parses.
What it refuses, and what it would accept though it is no LIBSVM text, a slow second pass finds, so
that the error names the line and what stands there.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from psim.errors import DataError
from psim.problems.rows import Rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LARGEST_TEXT = 2 << 30
"""Bytes of text that are read into memory."""

_NOT_LIBSVM = re.compile(rb"[^-+0-9.eE: \t\r\n]")
_NUMBER = re.compile(rb"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LARGEST_INDEX = 2**31 - 1
_INDEX = re.compile(rb"[0-9]{1,10}")


def read(path: Path, dimension: int | None = None) -> Rows:
    """The samples of a file with exactly two classes; the smaller label becomes -1, the other +1.

    ``dimension`` is d; None takes the largest index. DataError names the file, the line and what
    was found there.
    """
    features, labels = parsed(path, dimension)
    return Rows(features, two_classes(labels, str(path)))


def parsed(path: Path, dimension: int | None = None) -> tuple[csr_array, NDArray[np.float64]]:
    """The features, float64 of shape (N, d), and the labels as written, (N,). Raises DataError."""
    from scipy.sparse import csr_array
    from sklearn.datasets import load_svmlight_file

    text = read_text(path)
    if _NOT_LIBSVM.search(text) is not None:
        raise _wrong_line(path, text, dimension)
    try:
        features, labels = load_svmlight_file(BytesIO(text), n_features=dimension, zero_based=False)
    except (ValueError, OverflowError, IndexError):
        raise _wrong_line(path, text, dimension) from None
    if not (np.all(np.isfinite(features.data)) and np.all(np.isfinite(labels))):
        raise _wrong_line(path, text, dimension)
    features.eliminate_zeros()  # a zero that is written out means what one left out does
    return csr_array(features), labels


def read_text(path: Path, largest: int = LARGEST_TEXT) -> bytes:
    """The text of a file, unpacked where its first bytes say that it is gzip, bzip2 or xz."""
    try:
        with _opened(path) as file:
            text = file.read(largest + 1)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file: give the path of a LIBSVM file") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}: is the file complete?") from None
    if len(text) > largest:
        raise DataError(f"{path}: its text is larger than {largest} B: use a smaller part of it")
    return text


def _opened(path: Path) -> BufferedIOBase:
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(path)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(path)
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(path)
    return path.open("rb")


def two_classes(labels: NDArray[np.float64], source: str) -> NDArray[np.float64]:
    """-1 for the smaller of two labels and +1 for the larger; DataError for any other number."""
    classes = np.unique(labels)
    if len(classes) == 2:
        return np.where(labels == classes[1], 1.0, -1.0)
    found = ", ".join(f"{label:g}" for label in classes[:5]) + (", …" if len(classes) > 5 else "")
    raise DataError(
        f"{source}: has {len(classes)} classes ({found or 'no sample'}), and psim needs two: keep "
        "the lines of two classes"
    )


def _wrong_line(path: Path, text: bytes, dimension: int | None) -> DataError:
    """What is wrong with the first line that is."""
    for number, line in enumerate(text.split(b"\n"), start=1):
        cause = _cause(line, dimension)
        if cause:
            return DataError(f"{path}, line {number}: {cause}")
    return DataError(f"{path}: is no LIBSVM text: its lines read 'label index:value index:value …'")


def _cause(line: bytes, dimension: int | None) -> str | None:
    """What is wrong with a line, or None."""
    label, *entries = line.split() or [b"0"]
    if not _is_finite_number(label):
        return f"the label {_shown(label)} is no finite number: a line starts with its label"
    last = 0
    for entry in entries:
        index, colon, value = entry.partition(b":")
        if not colon or not _INDEX.fullmatch(index):
            return f"{_shown(entry)} is no index:value"
        if not _is_finite_number(value):
            return f"the value of {_shown(entry)} is no finite number"
        cause = _cause_of_index(int(index), last, dimension or _LARGEST_INDEX)
        if cause:
            return cause
        last = int(index)
    return None


def _cause_of_index(index: int, last: int, dimension: int) -> str | None:
    """What is wrong with an index that follows ``last``, or None."""
    if index == 0:
        return "an index is 0: indices start at 1"
    if index <= last:
        return f"index {index} comes after {last}: indices increase along a line"
    if index > dimension:
        return f"index {index} exceeds the dimension {dimension}: use a larger one"
    return None


def _is_finite_number(word: bytes) -> bool:
    return _NUMBER.fullmatch(word) is not None and bool(np.isfinite(float(word)))


def _shown(word: bytes) -> str:
    """A word of the file, short and printable."""
    text = word[:40].decode("ascii", "backslashreplace")
    return repr(text + ("…" if len(word) > 40 else ""))
