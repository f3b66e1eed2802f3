"""The networks that psim ships, by name. Imports no torch, so that a config is checked quickly.

A model is one of these names, or ``module:callable`` for any other, as in
``torchvision.models:resnet18``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psim.errors import ConfigError, nearest


@dataclass(frozen=True, slots=True)
class Network:
    """Where a network is made, and what it is."""

    module: str
    attribute: str
    paper: str
    summary: str


def _shipped(module: str, name: str, paper: str, summary: str) -> tuple[str, Network]:
    return name, Network(f"psim.problems.networks.{module}", name, paper, summary)


NETWORKS: Final[Mapping[str, Network]] = dict(
    [
        _shipped("mlp", "mlp", "", "linear layers with ReLU between them"),
        _shipped("cnn", "cnn", "", "three convolutions; trains on two CPU cores"),
        _shipped("lstm", "lstm", "Hochreiter and Schmidhuber 1997", "a word language model"),
        _shipped("ncf", "ncf", "He et al. 2017", "NeuMF: how likely a user takes an item"),
        _shipped("residual", "resnet18_cifar", "He et al. 2016", "ResNet-18 for 32 x 32 pixels"),
        _shipped("residual", "resnet110", "He et al. 2016", "their deep network for CIFAR"),
        _shipped("residual", "wrn_28_10", "Zagoruyko and Komodakis 2016", "Wide ResNet for CIFAR"),
        _shipped("residual", "senet18", "Hu et al. 2018", "ResNet-18 with squeeze and excitation"),
        _shipped("googlenet", "googlenet", "Szegedy et al. 2015", "GoogLeNet for 32 x 32 pixels"),
        _shipped("vgg", "vgg11_cifar", "Simonyan and Zisserman 2014", "VGG-11 for 32 x 32 pixels"),
        _shipped("vgg", "vgg16", "Simonyan and Zisserman 2014", "VGG-16 for 32 x 32 pixels"),
    ]
)
"""Name to network, in the order in which they are listed."""


def place(model: str) -> tuple[str, str]:
    """The module and the attribute that a model's name stands for; imports neither.

    Raises ConfigError for a name that is neither shipped nor ``module:callable``.
    """
    if model in NETWORKS:
        return NETWORKS[model].module, NETWORKS[model].attribute
    module, colon, attribute = model.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon:
        raise ConfigError(
            f"{model!r}: unknown network; {nearest(model, NETWORKS)}; or give module:callable"
        )
    if not all(name.isidentifier() for name in names):
        raise ConfigError(f"{model!r}: give module:callable, like torchvision.models:resnet18")
    return module, attribute
