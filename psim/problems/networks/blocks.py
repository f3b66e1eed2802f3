"""Building blocks of the CIFAR networks. Images have shape (B, channels, height, width).

The ImageNet forms shorten each side of an image to a quarter in their first layers. The CIFAR forms
leave that out, since an image of 32 x 32 pixels has none to spare. They end with the mean over all
pixels and one linear layer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

Block = Callable[[int, int, int], nn.Module]
"""Makes a block from its input channels, its output channels and its stride."""


def conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution that keeps the image's size but for the stride; ``kernel`` is odd."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, bias: bool = False) -> nn.Sequential:
    """Convolution, BatchNorm (Ioffe and Szegedy 2015), ReLU."""
    return nn.Sequential(
        conv(inputs, outputs, kernel, bias=bias), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class GlobalMean(nn.Module):
    """The mean over all pixels: (B, C, H, W) -> (B, C)."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


class PaddedShortcut(nn.Module):
    """Every stride-th pixel, with channels of zeros added at the end (He et al. 2016, option A)."""

    def __init__(self, added: int, stride: int) -> None:
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        kept = images[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, 0, self.added))


class BasicBlock(nn.Module):
    """relu(F(x) + shortcut(x)), F two 3 x 3 convolutions (He et al. 2016, Figure 2).

    The shortcut is x itself where the shape stays; else a 1 x 1 convolution (option B) or
    ``padded`` (option A), which has no parameters.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        shortcut: Literal["projected", "padded"] = "projected",
    ) -> None:
        super().__init__()
        self.conv1 = conv(inputs, outputs, stride=stride)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if (inputs, stride) != (outputs, 1) and shortcut == "padded":
            self.shortcut = PaddedShortcut(outputs - inputs, stride)
        elif (inputs, stride) != (outputs, 1):
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        inner = functional.relu(self.norm1(self.conv1(images)))
        return functional.relu(self.norm2(self.conv2(inner)) + self.shortcut(images))


class SqueezeExcitation(nn.Module):
    """x_c sigmoid(W_2 relu(W_1 z + b_1) + b_2)_c, z_c the mean of channel c (Hu et al. 2018, (2) to
    (4)); W_1 has a ``reduction``-th of the channels as rows.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        inner = functional.relu(self.squeeze(images.mean((2, 3))))
        scales = torch.sigmoid(self.excite(inner))
        return images * scales[:, :, None, None]


class PreactivatedBlock(nn.Module):
    """F(a) + shortcut, a = relu(norm(x)), with norm and ReLU before each convolution (He et al.,
    "Identity mappings in deep residual networks", 2016; Zagoruyko and Komodakis 2016, Figure 1).

    The shortcut is x itself where the shape stays, else a 1 x 1 convolution of a. With ``excited``
    F's result passes a `SqueezeExcitation`.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, excited: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv(inputs, outputs, stride=stride)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs)
        self.excitation = SqueezeExcitation(outputs) if excited else nn.Identity()
        changes = (inputs, stride) != (outputs, 1)
        self.projection = conv(inputs, outputs, 1, stride) if changes else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        active = functional.relu(self.norm1(images))
        inner = functional.relu(self.norm2(self.conv1(active)))
        result: torch.Tensor = self.excitation(self.conv2(inner))
        return result + (images if self.projection is None else self.projection(active))


class Inception(nn.Module):
    """Four branches side by side (Szegedy et al. 2015, Figure 2b), with BatchNorm; the 5 x 5
    convolution is two of 3 x 3, as its authors do later.

    ``widths`` are from a row of their Table 1: 1 x 1, 3 x 3 reduced, 3 x 3, 5 x 5 reduced, 5 x 5,
    and pooled.
    """

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        one, three_reduced, three, five_reduced, five, pooled = widths
        self.one = conv_norm_relu(inputs, one, 1, bias=True)
        self.three = nn.Sequential(
            conv_norm_relu(inputs, three_reduced, 1, bias=True),
            conv_norm_relu(three_reduced, three, bias=True),
        )
        self.five = nn.Sequential(
            conv_norm_relu(inputs, five_reduced, 1, bias=True),
            conv_norm_relu(five_reduced, five, bias=True),
            conv_norm_relu(five, five, bias=True),
        )
        self.pooled = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), conv_norm_relu(inputs, pooled, 1, bias=True)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        branches = (self.one, self.three, self.five, self.pooled)
        return torch.cat([branch(images) for branch in branches], 1)


def stages(
    inputs: int, widths: Sequence[int], depth: int, block: Block
) -> dict[str, nn.Sequential]:
    """A stage of ``depth`` blocks for each width; all stages but the first halve the image."""
    made: dict[str, nn.Sequential] = {}
    for number, width in enumerate(widths, 1):
        strides = [1 if number == 1 else 2] + [1] * (depth - 1)
        blocks = []
        for stride in strides:
            blocks.append(block(inputs, width, stride))
            inputs = width
        made[f"stage{number}"] = nn.Sequential(*blocks)
    return made


def head(width: int, classes: int) -> nn.Sequential:
    """The mean over all pixels and a linear layer: (B, width, H, W) -> (B, classes)."""
    return nn.Sequential(GlobalMean(), nn.Linear(width, classes))


def network(parts: Mapping[str, nn.Module]) -> nn.Sequential:
    """The parts in a row. Convolutions start normal with variance 2/(kernel² outputs) (He et al.
    2015, equation (14)) and their biases at 0; what else there is starts as PyTorch does.
    """
    made = nn.Sequential(OrderedDict(parts))
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return made
