"""Numbers of parameters: sums written from the papers' tables, and the papers' own numbers."""

import importlib

import pytest
import torch

from psim.problems.networks.names import NETWORKS


def count(name: str, **args: object) -> int:
    """On the meta device: no memory is taken, and nothing is initialized."""
    place = NETWORKS[name]
    with torch.device("meta"):
        made = getattr(importlib.import_module(place.module), place.attribute)(**args)
    return sum(parameter.numel() for parameter in made.parameters())


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def conv(inputs: int, outputs: int, kernel: int = 3) -> int:
    return inputs * outputs * kernel * kernel


def norm(width: int) -> int:
    return 2 * width


def biased(inputs: int, outputs: int, kernel: int = 3) -> int:
    """A convolution with biases, and the norm that follows it."""
    return conv(inputs, outputs, kernel) + outputs + norm(outputs)


def resnet18(classes: int) -> int:
    total = conv(3, 64) + norm(64) + linear(512, classes)
    total += 2 * (2 * conv(64, 64) + 2 * norm(64))
    for width in (128, 256, 512):
        half = width // 2
        total += conv(half, width) + conv(half, width, 1) + 3 * conv(width, width)
        total += 5 * norm(width)
    return total


def resnet110(classes: int) -> int:
    total = conv(3, 16) + norm(16) + linear(64, classes)
    total += 36 * (conv(16, 16) + norm(16))
    for width in (32, 64):
        total += conv(width // 2, width) + 35 * conv(width, width) + 36 * norm(width)
    return total


def wrn_28_10(classes: int) -> int:
    total = conv(3, 16) + norm(640) + linear(640, classes)
    for before, width in ((16, 160), (160, 320), (320, 640)):
        total += norm(before) + conv(before, width) + conv(before, width, 1)
        total += 7 * (norm(width) + conv(width, width))
    return total


def senet18(classes: int) -> int:
    total = conv(3, 64) + norm(64) + linear(512, classes)
    for before, width in ((64, 64), (64, 128), (128, 256), (256, 512)):
        total += norm(before) + conv(before, width) + 3 * (norm(width) + conv(width, width))
        total += conv(before, width, 1) if before != width else 0
        total += 2 * (linear(width, width // 16) + linear(width // 16, width))
    return total


VGG11 = [(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), *[(512, 512)] * 3]
VGG16 = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), *[(256, 256)] * 2]
VGG16 += [(256, 512), *[(512, 512)] * 5]


def vgg(shapes: list[tuple[int, int]], classes: int) -> int:
    return sum(biased(*shape) for shape in shapes) + linear(512, classes)


def googlenet(classes: int) -> int:
    total = biased(3, 192) + linear(1024, classes)
    for inputs, one, three_reduced, three, five_reduced, five, pooled in (
        (192, 64, 96, 128, 16, 32, 32),
        (256, 128, 128, 192, 32, 96, 64),
        (480, 192, 96, 208, 16, 48, 64),
        (512, 160, 112, 224, 24, 64, 64),
        (512, 128, 128, 256, 24, 64, 64),
        (512, 112, 144, 288, 32, 64, 64),
        (528, 256, 160, 320, 32, 128, 128),
        (832, 256, 160, 320, 32, 128, 128),
        (832, 384, 192, 384, 48, 128, 128),
    ):
        total += biased(inputs, one, 1) + biased(inputs, pooled, 1)
        total += biased(inputs, three_reduced, 1) + biased(three_reduced, three)
        total += biased(inputs, five_reduced, 1) + biased(five_reduced, five) + biased(five, five)
    return total


SUMS = {
    "resnet18_cifar": resnet18,
    "resnet110": resnet110,
    "wrn_28_10": wrn_28_10,
    "senet18": senet18,
    "googlenet": googlenet,
    "vgg11_cifar": lambda classes: vgg(VGG11, classes),
    "vgg16": lambda classes: vgg(VGG16, classes),
}
PUBLISHED = {
    "resnet18_cifar": 11_173_962,  # Sahu et al., Table 1
    "resnet110": 1_727_962,  # He et al., Table 6: 1.7M
    "wrn_28_10": 36_479_194,  # Zagoruyko and Komodakis, Table 5: 36.5M
    "senet18": 11_260_354,
    "googlenet": 6_166_250,
    "vgg11_cifar": 9_231_114,
    "vgg16": 14_728_266,
}


@pytest.mark.parametrize("name", SUMS)
def test_cifar_networks_have_their_published_sizes(name):
    assert count(name) == SUMS[name](10) == PUBLISHED[name]
    assert count(name, classes=100) == SUMS[name](100)


@pytest.mark.parametrize(
    ("name", "classes", "threshold"),
    [
        ("resnet18_cifar", 10, "4.73e-03"),
        ("resnet18_cifar", 100, "4.72e-03"),
        ("googlenet", 10, "6.37e-03"),
        ("googlenet", 100, "6.32e-03"),
    ],
)
def test_sizes_give_the_thresholds_of_sahu_et_al(name, classes, threshold):
    """Table 5: λ = 1/(2√k) with k = 0.1 % of d."""
    assert f"{1 / (2 * (0.001 * count(name, classes=classes)) ** 0.5):.2e}" == threshold


def test_vgg11_has_the_convolutions_of_the_imagenet_form():
    convolutions = sum(conv(*shape) + shape[1] for shape in VGG11)
    norms = sum(norm(outputs) for _, outputs in VGG11)
    assert count("vgg11_cifar") == convolutions + norms + linear(512, 10)
    classifier = linear(7 * 7 * 512, 4096) + linear(4096, 4096) + linear(4096, 1000)
    assert convolutions + classifier == 132_863_336  # EF21's footnote 3


def test_a_language_model_has_the_size_that_sahu_et_al_state():
    assert count("lstm", vocabulary=28_869) == 28_949_319  # Table 1
    layer = 4 * 650 * (650 + 650 + 2)
    assert count("lstm", vocabulary=28_869) == 28_869 * 650 + 3 * layer + 28_869


def test_untied_it_has_a_matrix_more():
    sizes = {"vocabulary": 50, "embedding": 6, "layers": 2}
    gates = 4 * 8 * (6 + 8 + 2) + 4 * 8 * (8 + 8 + 2)
    assert count("lstm", **sizes, hidden=8, tied=False) == 50 * 6 + gates + linear(8, 50)


def test_ncf_has_the_size_that_sahu_et_al_state():
    movielens_20m = {"users": 138_493, "items": 26_744}
    assert count("ncf", **movielens_20m) == 31_832_577  # Table 1
    dense = linear(256, 256) + linear(256, 128) + linear(128, 64) + linear(64 + 64, 1)
    assert count("ncf", **movielens_20m) == (138_493 + 26_744) * (64 + 128) + dense


def test_small_networks():
    assert count("mlp") == linear(3072, 256) + linear(256, 10) == 789_258
    assert count("mlp", features=64, hidden=[], classes=3) == linear(64, 3)
    plain = conv(3, 32) + 32 + conv(32, 64) + 64 + conv(64, 64) + 64 + linear(4 * 4 * 64, 10)
    assert count("cnn") == plain == 66_570
    assert count("cnn", batch_norm=True) == plain + 32 + 64 + 64  # scales and shifts, no biases
    digits = conv(1, 4) + 4 + conv(4, 8) + 8 + conv(8, 8) + 8 + linear(3 * 3 * 8, 10)
    assert count("cnn", channels=1, pixels=28, width=4) == digits
