"""Residual networks for CIFAR: images (B, channels, 32, 32) -> logits (B, classes)."""

from __future__ import annotations

from functools import partial

from torch import nn

from psim.problems.networks.blocks import (
    BasicBlock,
    PreactivatedBlock,
    conv,
    conv_norm_relu,
    head,
    network,
    stages,
)
from psim.problems.networks.sizes import check_sizes

WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages of an 18-layer network (He et al. 2016, Table 1)."""


def resnet18_cifar(classes: int = 10, channels: int = 3) -> nn.Module:
    """ResNet-18 (He et al. 2016, Table 1) for CIFAR: 11,173,962 parameters with 10 classes.

    It begins with a 3 x 3 convolution of stride 1 where the ImageNet form has 7 x 7 of stride 2 and
    a pooling. The network of Sahu et al., Tables 1 and 2.
    """
    check_sizes(classes=classes, channels=channels)
    stem = conv_norm_relu(channels, WIDTHS[0])
    body = stages(WIDTHS[0], WIDTHS, 2, BasicBlock)
    return network({"stem": stem, **body, "head": head(WIDTHS[-1], classes)})


def resnet110(classes: int = 10, channels: int = 3) -> nn.Module:
    """ResNet-110 for CIFAR (He et al. 2016, Section 4.2, n = 18): 1,727,962 parameters with 10
    classes.

    Three stages of 16, 32 and 64 channels, and shortcuts without parameters (option A). Named in
    Xu and Huang, Table 3.
    """
    check_sizes(classes=classes, channels=channels)
    block = partial(BasicBlock, shortcut="padded")
    body = stages(16, (16, 32, 64), 18, block)
    return network({"stem": conv_norm_relu(channels, 16), **body, "head": head(64, classes)})


def wrn_28_10(classes: int = 10, channels: int = 3) -> nn.Module:
    """WRN-28-10 (Zagoruyko and Komodakis 2016, Tables 1 and 5): 36,479,194 parameters with 10
    classes.

    A CIFAR network from the start: 28 layers, ten times as wide as He et al.'s, with norm and ReLU
    before the convolutions; without dropout. Named in Xu and Huang, Table 3.
    """
    check_sizes(classes=classes, channels=channels)
    body = stages(16, (160, 320, 640), 4, PreactivatedBlock)
    end = nn.Sequential(nn.BatchNorm2d(640), nn.ReLU(inplace=True))
    return network({"stem": conv(channels, 16), **body, "end": end, "head": head(640, classes)})


def senet18(classes: int = 10, channels: int = 3) -> nn.Module:
    """ResNet-18 with squeeze and excitation (Hu et al. 2018) for CIFAR: 11,260,354 parameters with
    10 classes.

    Hu et al. have no 18-layer network. This is the form that CIFAR experiments share: the stem and
    the widths of `resnet18_cifar`, preactivated blocks, reduction 16, no norm after the last block.
    Named in Sahu et al., Table 5.
    """
    check_sizes(classes=classes, channels=channels)
    block = partial(PreactivatedBlock, excited=True)
    body = stages(WIDTHS[0], WIDTHS, 2, block)
    stem = conv_norm_relu(channels, WIDTHS[0])
    return network({"stem": stem, **body, "head": head(WIDTHS[-1], classes)})
