"""VGG for CIFAR (Simonyan and Zisserman 2014, Table 1): (B, channels, 32, 32) -> (B, classes).

Five stages of 3 x 3 convolutions, each followed by BatchNorm and ReLU, and each stage by a pooling
that halves the image. Here 1 x 1 pixel is left, and one linear layer takes the place of the three
of the ImageNet form, in which most of its parameters lie: torchvision's VGG-11 has 132,863,336, of
which 9,220,480 are in the convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from psim.problems.networks.blocks import conv_norm_relu, head, network
from psim.problems.networks.sizes import check_sizes

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the five stages."""


def vgg11_cifar(classes: int = 10, channels: int = 3) -> nn.Module:
    """VGG-11 (column A): 9,231,114 parameters with 10 classes. A smaller stand-in for the VGG-11 of
    EF21, Figure 14, which is the ImageNet form.
    """
    return _vgg((1, 1, 2, 2, 2), classes, channels)


def vgg16(classes: int = 10, channels: int = 3) -> nn.Module:
    """VGG-16 (column D): 14,728,266 parameters with 10 classes. Named in Xu and Huang, Tables 1, 3
    and 4.
    """
    return _vgg((2, 2, 3, 3, 3), classes, channels)


def _vgg(depths: Sequence[int], classes: int, channels: int) -> nn.Sequential:
    """VGG with so many convolutions in each stage."""
    check_sizes(classes=classes, channels=channels)
    parts: dict[str, nn.Module] = {}
    for number, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True), 1):
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers.append(conv_norm_relu(channels, width, bias=True))
            channels = width
        parts[f"stage{number}"] = nn.Sequential(*layers, nn.MaxPool2d(2))
    return network({**parts, "head": head(WIDTHS[-1], classes)})
