"""LIBSVM files and the sets that ship with scikit-learn, as classes 0 to C - 1 for networks.

Labels are numbered in ascending order: of -1 and +1, +1 is class 1. ``digits`` keeps its ten
classes here, as images of 8 x 8 grey pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from psim.data import shipped
from psim.data.known import KNOWN
from psim.data.learning.augment import Augmentation
from psim.data.learning.images import Images, Normalization, chosen
from psim.data.learning.settings import Settings
from psim.data.learning.stored import ImageSettings, image_sizes
from psim.data.learning.tables import Dense, SparseRows
from psim.data.libsvm import parsed
from psim.data.locate import locate
from psim.errors import DataError
from psim.problems.datasets import LIBSVM_NAMES
from psim.problems.examples import Learning

if TYPE_CHECKING:
    from scipy.sparse import csr_array

GREY = 16.0
"""The largest value of a pixel in digits."""


class LibsvmSettings(Settings):
    """``dimension``: d, where it isn't the largest index; ``test``: a known name, or a file."""

    dimension: int | None = Field(None, ge=1, lt=2**31)
    test: str | None = None


def open_libsvm(dataset: str, settings: LibsvmSettings) -> Learning:
    """A known name or a path to train on, and ``settings.test``, whose path may start at the first
    one's folder. DataError where a test label is not among the training labels.
    """
    path, features, labels = _read(dataset, settings.dimension)
    dimension, classes = features.shape[1], np.unique(labels)
    train = SparseRows(features, _numbered(labels, classes, path))
    test = None
    if settings.test is not None:
        named = settings.test in LIBSVM_NAMES
        other = settings.test if named else str(path.parent / settings.test)
        path, features, labels = _read(other, dimension)
        test = SparseRows(features, _numbered(labels, classes, path))
    sizes = {"classes": len(classes), "features": dimension}
    return Learning(train, test, "classification", "", sizes)


def open_digits(settings: ImageSettings, augment: Sequence[Augmentation]) -> Learning:
    """digits: pixels from 0 to 1, not normalized unless ``mean`` or ``std`` say so."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = found.images.astype(np.uint8)[..., None]
    usual = Normalization((0.0,), (1.0,), GREY)
    normalization = chosen(usual, settings.mean, settings.std)
    images = Images(pixels, found.target.astype(np.int64), normalization, augment)
    sizes = {"classes": 10, **image_sizes(pixels)}
    return Learning(images, None, "classification", "", sizes)


def open_breast_cancer() -> Learning:
    """breast_cancer: 30 standardized columns; malignant is 0, benign 1."""
    rows = shipped.read("breast_cancer")
    labels = (np.asarray(rows.labels) > 0).astype(np.int64)
    features = np.asarray(rows.features, dtype=np.float32)
    sizes = {"classes": 2, "features": features.shape[1]}
    return Learning(Dense(features, labels), None, "classification", "", sizes)


def _read(dataset: str, dimension: int | None) -> tuple[Path, csr_array, NDArray[np.float64]]:
    """Where it is, float32 features (N, d), and labels (N,) as written."""
    path, known = locate(dataset), KNOWN.get(dataset)
    features, labels = parsed(path, dimension or (known.dimension if known else None))
    if known is not None:
        known.check(path, len(labels))
    return path, features.astype(np.float32), labels


def _numbered(
    labels: NDArray[np.float64], classes: NDArray[np.float64], path: Path
) -> NDArray[np.int64]:
    """The place of each label among ``classes``, ascending. Raises DataError."""
    places = np.searchsorted(classes, labels)
    unknown = classes[np.minimum(places, len(classes) - 1)] != labels
    if unknown.any():
        raise DataError(
            f"{path}: has the label {labels[unknown][0]:g}, which is not trained on: use the same "
            "labels in both files"
        )
    return places.astype(np.int64)
