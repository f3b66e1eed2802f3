"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) as their author published them.

The *binary version* has records of a label (CIFAR-100: the coarse label, then the fine one, which
is the class here) and 3,072 bytes: the red, green and blue planes of a 32 x 32 image, row by row.
The *python version* has the same in pickles (`psim.data.learning.pickled`). Either is read from its
folder or straight from its .tar.gz archive.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.data.learning import pickled
from psim.errors import DataError

SIDE = 32
PIXELS = 3 * SIDE * SIDE
LARGEST_MEMBER = 1 << 28
"""Bytes of one file in an archive; CIFAR-100's training part has 153,700,000."""
PART = 1 << 20
"""Bytes that are read at once where they are not kept."""


class Part(NamedTuple):
    """``pixels``: uint8 of shape (N, 32, 32, 3), RGB; ``labels``: int64 of shape (N,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Version:
    """One of the published forms: where its files are, and how they are read.

    ``label_bytes`` of a record, of which the last is the class; 0 for pickles, with their ``key``.
    """

    folder: str
    archive: str
    train: tuple[str, ...]
    test: str
    classes: int
    label_bytes: int = 0
    key: bytes = b""


_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_BINARY_BATCHES = tuple(f"{name}.bin" for name in _BATCHES)
VERSIONS: dict[str, tuple[Version, ...]] = {
    "cifar10": (
        Version(
            "cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            _BINARY_BATCHES,
            "test_batch.bin",
            classes=10,
            label_bytes=1,
        ),
        Version(
            "cifar-10-batches-py",
            "cifar-10-python.tar.gz",
            _BATCHES,
            "test_batch",
            classes=10,
            key=b"labels",
        ),
    ),
    "cifar100": (
        Version(
            "cifar-100-binary",
            "cifar-100-binary.tar.gz",
            ("train.bin",),
            "test.bin",
            classes=100,
            label_bytes=2,
        ),
        Version(
            "cifar-100-python",
            "cifar-100-python.tar.gz",
            ("train",),
            "test",
            classes=100,
            key=b"fine_labels",
        ),
    ),
}
"""By data set; the binary version goes first."""


def version_of(path: Path) -> Version | None:
    """The published form whose folder or archive has this name; None for any other name."""
    for versions in VERSIONS.values():
        for version in versions:
            if path.name in (version.folder, version.archive):
                return version
    return None


def read(path: Path, version: Version) -> tuple[Part, Part]:
    """The training and the test part of a folder or an archive. Raises DataError."""
    members = _members(path, (*version.train, version.test))
    found = {name: _part(raw, version, f"{path}/{name}") for name, raw in members.items()}
    train = [found[name] for name in version.train]
    return _joined(train), found[version.test]


def _members(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The contents of the files ``names``. DataError where one is missing or damaged."""
    try:
        found = _unfolded(path, names) if path.is_dir() else _unpacked(path, names)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}: is it complete?") from None
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)}: is it complete?")
    return found


def _unfolded(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in names if (path / name).is_file()}


def _unpacked(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Read to its end, where gzip has the checksum of all that was unpacked."""
    found = {}
    with gzip.open(path) as unpacked:
        with tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for member in archive:
                name = Path(member.name).name
                file = archive.extractfile(member) if name in names and member.isfile() else None
                if file is None:
                    continue
                if member.size > LARGEST_MEMBER:
                    raise DataError(f"{path}: {member.name} has {member.size} B: this is no CIFAR")
                found[name] = file.read()
        while unpacked.read(PART):
            pass
    return found


def _part(raw: bytes, version: Version, source: str) -> Part:
    if version.label_bytes:
        pixels, labels = _records(raw, version.label_bytes, source)
    else:
        pixels, labels = pickled.read(raw, version.key, source)
    if not len(pixels) or pixels.shape[1] != PIXELS:
        raise DataError(f"{source}: has images of shape {pixels.shape}, not (N, {PIXELS})")
    if labels.min() < 0 or labels.max() >= version.classes:
        worst = labels[(labels < 0) | (labels >= version.classes)][0]
        raise DataError(f"{source}: has the label {worst}: they are 0 to {version.classes - 1}")
    planes = pixels.reshape(-1, 3, SIDE, SIDE)
    return Part(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)


def _records(
    raw: bytes, label_bytes: int, source: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    size = label_bytes + PIXELS
    if not raw or len(raw) % size:
        raise DataError(f"{source}: has {len(raw)} B, and a record has {size}: is it complete?")
    records = np.frombuffer(raw, np.uint8).reshape(-1, size)
    return records[:, label_bytes:], records[:, label_bytes - 1].astype(np.int64)


def _joined(parts: Sequence[Part]) -> Part:
    pixels, labels = zip(*parts, strict=True)
    return Part(np.concatenate(pixels), np.concatenate(labels))
