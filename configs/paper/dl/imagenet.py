"""ImageNet (Deng et al. 2009) for def-table-2.yaml: ``imagenet:parts``. Needs torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the training part's red, green and blue, in units of the largest value."""
SIDE, SHORTER = 224, 256
"""Pixels of a network's input, and of the shorter side from which a test's is cut."""


def parts(folder: str) -> tuple[Any, Any]:
    """What is trained on, and the published validation part, which is tested.

    ``folder`` holds ``train`` and ``val``, in which every class has a folder. Augmentation as He et
    al. 2016 cite it: a random part of the image, flipped in one half of the cases.
    """
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    scaled = [transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]
    drawn = [transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip()]
    centred = [transforms.Resize(SHORTER), transforms.CenterCrop(SIDE)]
    train = ImageFolder(Path(folder) / "train", transforms.Compose([*drawn, *scaled]))
    test = ImageFolder(Path(folder) / "val", transforms.Compose([*centred, *scaled]))
    return train, test
