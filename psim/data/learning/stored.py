"""A data set in an .npz file: ``x_train``, ``y_train`` and, where it is tested, ``x_test``,
``y_test``.

uint8 inputs of shape (N, H, W) or (N, H, W, C) are images with integer classes; float inputs
(N, …) are taken as they are, with integer classes or float targets. Images may also be JPEG streams
(`psim.data.learning.jpeg`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from psim.data import arrays
from psim.data.learning import jpeg
from psim.data.learning.augment import PATH as AUGMENT
from psim.data.learning.augment import Augmentation
from psim.data.learning.images import Images, Normalization, chosen, measured
from psim.data.learning.settings import Limit, Settings
from psim.data.learning.tables import Dense
from psim.errors import ConfigError, DataError
from psim.problems.examples import Learning

Array = NDArray[np.generic]


class ImageSettings(Settings):
    """``mean`` and ``std``: one number a channel, of pixels from 0 to 1."""

    mean: tuple[float, ...] | None = None
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a data set by its name. Images are normalized by ``usual``, or as x_train
    measures; ``classes`` is C, or one more than the largest class in y_train.
    """

    usual: Normalization | None = None
    classes: int | None = None
    note: str = ""


UNKNOWN = Facts()


def read(path: Path, limit: Limit) -> dict[str, Array]:
    """The arrays x_train, y_train, x_test and y_test, as far as they are there; checked. No more
    JPEG streams than ``limit`` are decoded. Raises DataError.
    """
    found: dict[str, Array] = arrays.read(path)
    if "train_jpeg" in found:
        found = jpeg.decoded(found, str(path), limit.model_dump())
    for part in ("train", "test"):
        if part == "train" or "x_test" in found or "y_test" in found:
            _check(path, found, part)
    if "x_test" in found and found["x_test"].shape[1:] != found["x_train"].shape[1:]:
        raise DataError(
            f"{path}: x_test has examples of shape {found['x_test'].shape[1:]}, and x_train of "
            f"{found['x_train'].shape[1:]}: they must be the same"
        )
    return found


def open_stored(
    path: Path,
    settings: ImageSettings,
    augment: Sequence[Augmentation],
    facts: Facts = UNKNOWN,
) -> Learning:
    """The examples in an .npz file."""
    return learning(read(path, settings.limit), str(path), settings, augment, facts)


def learning(
    found: Mapping[str, Array],
    source: str,
    settings: ImageSettings,
    augment: Sequence[Augmentation],
    facts: Facts,
) -> Learning:
    """The examples of arrays that have been checked."""
    if found["x_train"].dtype == np.uint8:
        return _images(found, source, settings, augment, facts)
    given = {"mean": settings.mean, "std": settings.std}
    for key in (key for key, value in given.items() if value is not None):
        raise ConfigError(
            f"{source} has no images, which alone are normalized: leave it out",
            f"problem.dataset_args.{key}",
        )
    if augment:
        raise ConfigError(f"{source} has no images to augment: leave it out", AUGMENT)
    train, test = (_dense(found, part) for part in ("train", "test"))
    assert train is not None, "a training part is always there"
    if train.labels is None:
        return Learning(train, test, "other", facts.note)
    features = int(np.prod(found["x_train"].shape[1:]))
    sizes = {"classes": facts.classes or _classes(found, source), "features": features}
    return Learning(train, test, "classification", facts.note, sizes)


def _images(
    found: Mapping[str, Array],
    source: str,
    settings: ImageSettings,
    augment: Sequence[Augmentation],
    facts: Facts,
) -> Learning:
    pixels = {part: _pixels(found[f"x_{part}"]) for part in _parts(found)}
    normalization = chosen(facts.usual or measured(pixels["train"]), settings.mean, settings.std)
    classes = facts.classes or _classes(found, source)
    sizes = {"classes": classes, **image_sizes(pixels["train"])}
    made = {
        part: Images(
            pixels[part],
            found[f"y_{part}"].astype(np.int64),
            normalization,
            augment if part == "train" else (),
        )
        for part in pixels
    }
    return Learning(made["train"], made.get("test"), "classification", facts.note, sizes)


def image_sizes(pixels: Array) -> dict[str, int]:
    """What a model of images of shape (N, H, W, C) must fit; ``pixels`` of one side where they are
    square.
    """
    _, height, width, channels = pixels.shape
    sizes = {"channels": channels, "features": height * width * channels}
    return {**sizes, "pixels": height} if height == width else sizes


def _parts(found: Mapping[str, Array]) -> list[str]:
    return [part for part in ("train", "test") if f"x_{part}" in found]


def _pixels(inputs: Array) -> NDArray[np.uint8]:
    """With a channel where there is none; (N, H, W, C)."""
    pixels = inputs.astype(np.uint8, copy=False)
    return pixels[..., None] if pixels.ndim == 3 else pixels


def _dense(found: Mapping[str, Array], part: str) -> Dense | None:
    if f"x_{part}" not in found:
        return None
    inputs, targets = found[f"x_{part}"].astype(np.float32), found[f"y_{part}"]
    classes = targets.dtype.kind in "iu"
    return Dense(inputs, targets.astype(np.int64) if classes else targets.astype(np.float32))


def _classes(found: Mapping[str, Array], source: str) -> int:
    """C: the classes are 0 to C - 1, C - 1 the largest in the training part."""
    classes = int(found["y_train"].max()) + 1
    if "y_test" in found and found["y_test"].max() >= classes:
        raise DataError(
            f"{source}: y_test has class {found['y_test'].max()}, and y_train none above "
            f"{classes - 1}: train on all classes that are tested"
        )
    return classes


def _check(path: Path, found: Mapping[str, Array], part: str) -> None:
    """DataError unless a part has inputs and targets that can be used."""
    for key in (f"x_{part}", f"y_{part}"):
        if key not in found:
            raise DataError(f"{path}: has no {key}, but {', '.join(sorted(found)) or 'nothing'}")
    inputs, targets = found[f"x_{part}"], found[f"y_{part}"]
    if inputs.ndim < 2 or targets.ndim < 1 or len(inputs) != len(targets) or not len(inputs):
        raise DataError(
            f"{path}: x_{part} has shape {inputs.shape} and y_{part} {targets.shape}: they must "
            "have the same first dimension, from 1 on"
        )
    problem = _wrong_inputs(inputs) or _wrong_targets(targets, inputs.dtype == np.uint8)
    if problem:
        raise DataError(f"{path}: {part} part: {problem}")


def _wrong_inputs(inputs: Array) -> str | None:
    if inputs.dtype == np.uint8:
        if inputs.ndim in (3, 4):
            return None
        return f"uint8 inputs are images of shape (N, H, W, C), not {inputs.shape}"
    if inputs.dtype.kind != "f":
        return f"inputs of type {inputs.dtype}: use uint8 for images, float32 for anything else"
    return None if np.isfinite(inputs).all() else "inputs that are not finite"


def _wrong_targets(targets: Array, images: bool) -> str | None:
    if targets.dtype.kind in "iu":
        if targets.ndim != 1:
            return f"classes of shape {targets.shape}: use one number an example"
        return None if targets.min() >= 0 else f"the class {targets.min()}: they start at 0"
    if images or targets.dtype.kind != "f":
        return f"targets of type {targets.dtype}: use int64 for classes"
    return None if np.isfinite(targets).all() else "targets that are not finite"
