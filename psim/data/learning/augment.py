"""Augmentation of images, on uint8 pixels of shape (B, H, W, C), for a whole minibatch at once.

- ``crop`` (or ``{crop: p}``, p = 4): pad p black pixels on every side, then cut out H x W at a
  uniformly random place (He et al. 2016, section 4.2).
- ``flip``: mirror left and right with probability 1/2.
- ``cutout`` (or ``{cutout: s}``, s = 16): a square of side s around a uniformly random pixel, cut
  off at the borders, becomes neutral (DeVries and Taylor 2017). Neutral is the data set's mean
  colour, rounded to a grey level: 0 after normalization, as the paper has it, up to that rounding.

Each draws for all images at once, in the order in which the config lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from psim.errors import ConfigError, nearest

Pixels = NDArray[np.uint8]
PATH = "problem.augment"


class Augmentation(Protocol):
    """A random change of images."""

    def apply(self, pixels: Pixels, neutral: Pixels, draws: np.random.Generator) -> Pixels:
        """The changed images, (B, H, W, C); may change ``pixels``. ``neutral``: a colour, (C,)."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Two offsets an image, each from 0 to 2 ``padding``: down, then right."""

    padding: int

    def apply(self, pixels: Pixels, neutral: Pixels, draws: np.random.Generator) -> Pixels:
        count, height, width, _ = pixels.shape
        edge = (self.padding, self.padding)
        padded = np.pad(pixels, ((0, 0), edge, edge, (0, 0)))
        offsets = draws.integers(2 * self.padding + 1, size=(count, 2))
        rows = offsets[:, 0, None] + np.arange(height)
        columns = offsets[:, 1, None] + np.arange(width)
        images = np.arange(count)[:, None, None]
        cropped: Pixels = padded[images, rows[:, :, None], columns[:, None, :]]
        return cropped


@dataclass(frozen=True, slots=True)
class Flip:
    """0 or 1 an image: 1 mirrors it."""

    def apply(self, pixels: Pixels, neutral: Pixels, draws: np.random.Generator) -> Pixels:
        mirrored = draws.integers(2, size=len(pixels)) == 1
        pixels[mirrored] = pixels[mirrored, :, ::-1]
        return pixels


@dataclass(frozen=True, slots=True)
class Cutout:
    """The centre's row and column an image. The square has ⌊s/2⌋ pixels before the centre."""

    size: int

    def apply(self, pixels: Pixels, neutral: Pixels, draws: np.random.Generator) -> Pixels:
        count, height, width, _ = pixels.shape
        centres = draws.integers([height, width], size=(count, 2))
        down = self._covered(centres[:, 0], height)
        right = self._covered(centres[:, 1], width)
        pixels[down[:, :, None] & right[:, None, :]] = neutral
        return pixels

    def _covered(self, centres: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
        """Which of ``length`` places the squares around ``centres`` cover; (B, length)."""
        from_start = np.arange(length) - (centres - self.size // 2)[:, None]
        return (from_start >= 0) & (from_start < self.size)


_SIZED: dict[str, tuple[type[Crop | Cutout], int]] = {"crop": (Crop, 4), "cutout": (Cutout, 16)}
_NAMES = ("crop", "flip", "cutout")


def augmentations(listed: Sequence[str | Mapping[str, object]]) -> tuple[Augmentation, ...]:
    """Those that a config lists, such as ``[crop, flip, {cutout: 8}]``. Raises ConfigError."""
    return tuple(_augmentation(entry) for entry in listed)


def _augmentation(entry: str | Mapping[str, object]) -> Augmentation:
    if not isinstance(entry, str) and len(entry) != 1:
        raise ConfigError(f"{dict(entry)}: give one name and its size, like {{cutout: 8}}", PATH)
    name, size = (entry, None) if isinstance(entry, str) else next(iter(entry.items()))
    if name not in _NAMES:
        raise ConfigError(f"{name!r} is no augmentation; {nearest(str(name), _NAMES)}", PATH)
    if name == "flip":
        if size is not None:
            raise ConfigError(f"flip has no size {size!r}: write flip", PATH)
        return Flip()
    kind, usual = _SIZED[name]
    if size is None:
        return kind(usual)
    if type(size) is not int or not 1 <= size <= 1024:
        raise ConfigError(f"{name} = {size!r}: use a whole number of pixels, 1 to 1024", PATH)
    return kind(size)
