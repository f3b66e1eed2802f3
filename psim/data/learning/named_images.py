"""CIFAR by name: the published archive where it is, else decoded images, else JPEG streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from psim.data.learning import cifar
from psim.data.learning.augment import Augmentation
from psim.data.learning.images import Normalization
from psim.data.learning.places import absent, find
from psim.data.learning.stored import Facts, ImageSettings, learning, open_stored
from psim.errors import DataError
from psim.problems.examples import Learning

NORMALIZATIONS = {
    10: Normalization((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    100: Normalization((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
"""By the number of classes, so of CIFAR-10 and CIFAR-100: mean and standard deviation of all pixels
of the 50,000 training images, by channel."""
SIZES = (50_000, 10_000)
"""Images in the two parts of either CIFAR."""
_SUBFOLDER = "cifar10"
_SUBSET, _STREAMS, _LOSSLESS = (
    "cifar10_subset.npz",
    "cifar10_jpeg_all.npz",
    "cifar10_lossless4000.npz",
)
_LOSSY = (
    "re-encoded as JPEG with loss: accuracies are not comparable digit for digit with published "
    "ones"
)
_NOTES = {
    _SUBSET: f"10,000 + 2,000 images of CIFAR-10, {_LOSSY}",
    _STREAMS: f"all images of CIFAR-10, {_LOSSY}",
    _LOSSLESS: "the first 4,000 training images of CIFAR-10, and none to test on",
}


def open_named(dataset: str, settings: ImageSettings, augment: Sequence[Augmentation]) -> Learning:
    """``cifar10``, ``cifar100`` or ``cifar10_lossless4000``; the note says which form was found.

    DataError where there is none, or a published one is not whole.
    """
    published = [name for v in cifar.VERSIONS.get(dataset, ()) for name in (v.folder, v.archive)]
    others = {"cifar10": [_SUBSET, _STREAMS], "cifar10_lossless4000": [_LOSSLESS]}.get(dataset, [])
    names = [*published, *others]
    path = find(names, _SUBFOLDER)
    if path is None:
        fix = f"`psim data get {dataset}` fetches it" if published else "Give a file's path"
        raise absent(dataset, names, _SUBFOLDER, fix)
    if path.name in published:
        return _published(path, settings, augment, whole=True)
    note = f"{path.name}: {_NOTES[path.name]}"
    return open_stored(path, settings, augment, Facts(NORMALIZATIONS[10], 10, note))


def open_published(
    path: Path, settings: ImageSettings, augment: Sequence[Augmentation]
) -> Learning:
    """A folder or an archive with the name and the files of a published one, of whatever size."""
    version = cifar.version_of(path)
    if version is None:
        known = [v.folder for versions in cifar.VERSIONS.values() for v in versions]
        raise DataError(f"{path}: is a folder or an archive, and none of {', '.join(known)}")
    return _published(path, settings, augment, whole=False)


def _published(
    path: Path,
    settings: ImageSettings,
    augment: Sequence[Augmentation],
    whole: bool,
) -> Learning:
    version = cifar.version_of(path)
    assert version is not None, "the name is that of a version"
    train, test = cifar.read(path, version)
    found = (len(train.labels), len(test.labels))
    if whole and found != SIZES:
        raise DataError(
            f"{path}: has {found[0]} + {found[1]} images, not {SIZES[0]} + {SIZES[1]}: is it "
            "complete? To use it as it is, give its path"
        )
    arrays: Mapping[str, NDArray[np.generic]] = {
        "x_train": train.pixels,
        "y_train": train.labels,
        "x_test": test.pixels,
        "y_test": test.labels,
    }
    usual = NORMALIZATIONS[version.classes]
    facts = Facts(usual, version.classes, f"the published archive, {path.name}")
    return learning(arrays, str(path), settings, augment, facts)
