"""A small convolutional network."""

from __future__ import annotations

from torch import nn

from psim.errors import ConfigError
from psim.problems.networks.blocks import conv
from psim.problems.networks.sizes import check_sizes

HALVED = 8
"""How much smaller an image is after three poolings."""


def cnn(
    classes: int = 10,
    channels: int = 3,
    pixels: int = 32,
    width: int = 32,
    batch_norm: bool = False,
) -> nn.Module:
    """Three 3 x 3 convolutions, of w, 2w and 2w channels, each with ReLU and 2 x 2 max pooling,
    then a linear layer: (B, channels, pixels, pixels) -> (B, classes).

    66,570 parameters as it stands: small enough to train on CIFAR-10 on two CPU cores. Without
    BatchNorm a worker's gradient is the mean of its samples' own, which some tests and theorems
    want; ``batch_norm`` puts it before each ReLU. Initialized as PyTorch does.
    """
    check_sizes(classes=classes, channels=channels, pixels=pixels, width=width)
    if pixels < HALVED:
        raise ConfigError(f"{pixels}: three poolings need {HALVED} pixels or more", "pixels")
    layers: list[nn.Module] = []
    for outputs in (width, 2 * width, 2 * width):
        layers.append(conv(channels, outputs, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(outputs))
        layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels = outputs
    last = channels * (pixels // HALVED) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(last, classes))
