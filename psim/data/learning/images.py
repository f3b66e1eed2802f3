"""Images with a class each: uint8 in memory, float32 in a minibatch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from psim.data.learning.augment import Augmentation, Pixels
from psim.errors import ConfigError
from psim.problems.batches import Batch
from psim.vectors import torch

WHITE = 255.0


@dataclass(frozen=True, slots=True)
class Normalization:
    """v -> (v / ``white`` - mean) / std, by channel; ``mean`` and ``std`` of shape (C,).

    ``white`` is the largest value that a pixel takes.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: float = WHITE

    def factor(self) -> NDArray[np.float64]:
        """What a pixel is multiplied by; (C,)."""
        factor: NDArray[np.float64] = 1.0 / (self.white * np.array(self.std))
        return factor

    def shift(self) -> NDArray[np.float64]:
        """What is added then; (C,)."""
        shift: NDArray[np.float64] = -np.array(self.mean) / np.array(self.std)
        return shift

    def neutral(self) -> Pixels:
        """The mean colour, to the nearest grey level; (C,)."""
        return np.rint(self.white * np.array(self.mean)).astype(np.uint8)


class Images:
    """``pixels``, uint8 of shape (N, H, W, C), and ``labels``, int64 of shape (N,).

    A minibatch is float32 of shape (B, C, H, W): augmented where random draws are given, then
    normalized.
    """

    def __init__(
        self,
        pixels: Pixels,
        labels: NDArray[np.int64],
        normalization: Normalization,
        augment: Sequence[Augmentation] = (),
    ) -> None:
        self.pixels, self.labels, self._augment = pixels, labels, tuple(augment)
        self._normalization, self._neutral = normalization, normalization.neutral()
        self._factor = normalization.factor().astype(np.float32)[:, None, None]
        self._shift = normalization.shift().astype(np.float32)[:, None, None]

    @property
    def count(self) -> int:
        return len(self.pixels)

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = self.pixels[which]
        if draws is not None:
            for change in self._augment:
                pixels = change.apply(pixels, self._neutral, draws)
        # By numpy: these few microseconds are not worth waking torch's threads, which may be busy.
        images = pixels.transpose(0, 3, 1, 2).astype(np.float32, order="C")
        images *= self._factor
        images += self._shift
        return torch.from_numpy(images), torch.from_numpy(self.labels[which])

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        return (
            f"images {self.pixels.shape}".encode(),
            self.pixels,
            self.labels.astype("<i8"),
            self._normalization.factor().astype("<f8"),
            self._normalization.shift().astype("<f8"),
        )


def measured(pixels: Pixels) -> Normalization:
    """The mean and the (population) standard deviation of each channel, from exact sums.

    A channel of one colour has no deviation: it is only centred.
    """
    values = np.arange(256.0)
    means, deviations = [], []
    for channel in range(pixels.shape[3]):
        counts = np.bincount(pixels[..., channel].ravel(), minlength=256)
        shares = counts / counts.sum()
        mean = float(shares @ values)
        means.append(mean / WHITE)
        deviations.append(float(np.sqrt(shares @ (values - mean) ** 2)) / WHITE or 1.0)
    return Normalization(tuple(means), tuple(deviations))


def chosen(
    usual: Normalization, mean: Sequence[float] | None, std: Sequence[float] | None
) -> Normalization:
    """``usual`` with what a config says in its place. ConfigError where it does not fit."""
    for key, given in (("mean", mean), ("std", std)):
        if given is not None and len(given) != len(usual.mean):
            raise ConfigError(
                f"{len(given)} numbers, and the images have {len(usual.mean)} channels: give one "
                "number a channel",
                f"problem.dataset_args.{key}",
            )
    return Normalization(tuple(mean or usual.mean), tuple(std or usual.std), usual.white)
