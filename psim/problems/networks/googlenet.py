"""GoogLeNet for CIFAR (Szegedy et al. 2015, Table 1): (B, channels, 32, 32) -> (B, classes)."""

from __future__ import annotations

from torch import nn

from psim.problems.networks.blocks import Inception, conv_norm_relu, head, network
from psim.problems.networks.sizes import check_sizes

STEM = 192
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Rows of Table 1: channels of 1 x 1, 3 x 3 reduced, 3 x 3, 5 x 5 reduced, 5 x 5, pooled."""


def googlenet(classes: int = 10, channels: int = 3) -> nn.Module:
    """GoogLeNet: 6,166,250 parameters with 10 classes. Named in Sahu et al., Table 5.

    One 3 x 3 convolution of 192 channels takes the place of the ImageNet form's first three, with
    BatchNorm everywhere, and without auxiliary classifiers and dropout. The image is halved before
    the modules 4a and 5a.
    """
    check_sizes(classes=classes, channels=channels)
    parts: dict[str, nn.Module] = {"stem": conv_norm_relu(channels, STEM, bias=True)}
    width = STEM
    for name, widths in INCEPTIONS.items():
        if name in ("4a", "5a"):
            parts[f"pool{name[0]}"] = nn.MaxPool2d(3, stride=2, padding=1)
        parts[f"inception{name}"] = Inception(width, widths)
        one, _, three, _, five, pooled = widths
        width = one + three + five + pooled
    return network({**parts, "head": head(width, classes)})
