"""A data set to learn from, by name, path or ``module:callable``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from psim.data.learning import libsvm, named_images, ranking, stored, text
from psim.data.learning.augment import PATH as AUGMENT
from psim.data.learning.augment import Augmentation, augmentations
from psim.data.learning.mapped import open_mapped, wrapped
from psim.data.learning.parts import parted
from psim.data.learning.settings import AnySettings, Settings, settings
from psim.errors import ConfigError, DataError, nearest
from psim.problems.datasets import LEARNING_NAMES, LIBSVM_NAMES
from psim.problems.examples import Learning
from psim.problems.network import CALLABLE

__all__ = ["open_learning", "wrapped"]

_PACKED = {".xz", ".gz", ".bz2"}


@dataclass(frozen=True, slots=True)
class _Source(Generic[AnySettings]):
    """One kind of data set: its keys, and what opens it."""

    settings: type[AnySettings]
    opened: Callable[[str, AnySettings, Sequence[Augmentation]], Learning]
    images: bool = False

    def learning(
        self, dataset: str, args: Mapping[str, object], augment: Sequence[Augmentation]
    ) -> Learning:
        if not self.images:
            _refuse(augment, dataset)
        given = settings(self.settings, args)
        return parted(self.opened(dataset, given, augment), given)


_NAMED_IMAGES = _Source(stored.ImageSettings, named_images.open_named, images=True)
_LIBSVM = _Source(
    libsvm.LibsvmSettings, lambda dataset, given, _: libsvm.open_libsvm(dataset, given)
)
_NAMED: dict[str, _Source[Any]] = {
    "cifar10": _NAMED_IMAGES,
    "cifar100": _NAMED_IMAGES,
    "cifar10_lossless4000": _NAMED_IMAGES,
    "digits": _Source(
        stored.ImageSettings,
        lambda _, given, augment: libsvm.open_digits(given, augment),
        images=True,
    ),
    "breast_cancer": _Source(Settings, lambda _name, _given, _: libsvm.open_breast_cancer()),
    "wikitext2": _Source(text.WikitextSettings, lambda _name, given, _: text.open_wikitext(given)),
    "movielens": _Source(
        ranking.MovielensSettings, lambda _name, given, _: ranking.open_movielens(given)
    ),
    **dict.fromkeys(LIBSVM_NAMES, _LIBSVM),
}
_PUBLISHED = _Source(
    stored.ImageSettings,
    lambda path, given, augment: named_images.open_published(Path(path), given, augment),
    images=True,
)
_STORED = _Source(
    stored.ImageSettings,
    lambda path, given, augment: stored.open_stored(Path(path), given, augment),
    images=True,
)
_TEXT = _Source(text.TextFileSettings, lambda path, given, _: text.open_text(Path(path), given))
_RATINGS = _Source(
    ranking.RankingSettings, lambda path, given, _: ranking.open_ratings(Path(path), given)
)
_BY_SUFFIX: dict[str, _Source[Any]] = {
    ".npz": _STORED,
    **dict.fromkeys((".txt", ".tokens"), _TEXT),
    **dict.fromkeys((".csv", ".dat", ".data", ".zip"), _RATINGS),
}

assert set(LEARNING_NAMES) <= set(_NAMED)


def open_learning(
    dataset: str,
    args: Mapping[str, object],
    augment: Sequence[str | Mapping[str, object]] = (),
) -> Learning:
    """The examples of ``dataset`` with its ``args``; images to train on are augmented.

    A file's name says what is in it: .npz arrays; .txt and .tokens text; .csv, .dat, .data and .zip
    ratings; a folder or a .tar.gz CIFAR; anything else is LIBSVM. Raises ConfigError where a key
    does not fit, and DataError where the data are missing, damaged or too few.
    """
    changes = augmentations(augment)
    if dataset in _NAMED:
        return _NAMED[dataset].learning(dataset, args, changes)
    if CALLABLE.fullmatch(dataset):
        _refuse(changes, dataset)
        return open_mapped(dataset, args)
    return _of_path(Path(dataset)).learning(dataset, args, changes)


def _of_path(path: Path) -> _Source[Any]:
    if not path.exists():
        raise DataError(
            f"{path}: no such file, and {path.name!r} is no data set; {nearest(path.name, _NAMED)}"
        )
    if path.is_dir() or path.name.endswith(".tar.gz"):
        return _PUBLISHED
    name = path.with_suffix("") if path.suffix in _PACKED else path
    return _BY_SUFFIX.get(name.suffix, _LIBSVM)


def _refuse(augment: Sequence[Augmentation], dataset: str) -> None:
    if augment:
        raise ConfigError(f"{dataset} has no images to augment: leave it out", AUGMENT)
