"""A multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from psim.problems.networks.sizes import check_sizes


def mlp(features: int = 3072, hidden: Sequence[int] = (256,), classes: int = 10) -> nn.Module:
    """Linear layers with ReLU between them: (B, ...), ``features`` numbers each -> (B, classes).

    Without hidden layers it is multinomial logistic regression. 789,258 parameters as it stands,
    for an image of 3 x 32 x 32. Initialized as PyTorch does.
    """
    check_sizes(features=features, classes=classes)
    for width in hidden:
        check_sizes(hidden=width)
    layers: list[nn.Module] = [nn.Flatten()]
    for width, following in pairwise((features, *hidden, classes)):
        layers += [nn.Linear(width, following), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
