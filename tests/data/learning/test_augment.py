"""Augmentation of a minibatch equals a slow version that changes one image after another."""

from __future__ import annotations

import numpy as np
import pytest

from psim.data.learning.augment import Crop, Cutout, Flip, augmentations
from psim.errors import ConfigError

NEUTRAL = np.array([7, 8, 9], np.uint8)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 6, 8, 3), dtype=np.uint8)


def test_crop_is_a_window_of_the_padded_image(pixels):
    found = Crop(2).apply(pixels.copy(), NEUTRAL, np.random.default_rng(5))
    offsets = np.random.default_rng(5).integers(5, size=(40, 2))
    for image, (down, right), cropped in zip(pixels, offsets, found, strict=True):
        padded = np.zeros((10, 12, 3), np.uint8)
        padded[2:8, 2:10] = image
        np.testing.assert_array_equal(cropped, padded[down : down + 6, right : right + 8])


def test_flip_mirrors_about_half_of_the_images(pixels):
    found = Flip().apply(pixels.copy(), NEUTRAL, np.random.default_rng(5))
    mirrored = np.random.default_rng(5).integers(2, size=40)
    assert 5 < mirrored.sum() < 35
    for image, mirror, changed in zip(pixels, mirrored, found, strict=True):
        np.testing.assert_array_equal(changed, image[:, ::-1] if mirror else image)


@pytest.mark.parametrize("size", [1, 4, 5, 30])
def test_cutout_blanks_a_square_that_may_stick_out(pixels, size):
    found = Cutout(size).apply(pixels.copy(), NEUTRAL, np.random.default_rng(5))
    centres = np.random.default_rng(5).integers([6, 8], size=(40, 2))
    for image, (row, column), changed in zip(pixels, centres, found, strict=True):
        expected = image.copy()
        top, left = row - size // 2, column - size // 2
        rows = slice(max(0, top), max(0, top + size))
        expected[rows, max(0, left) : max(0, left + size)] = NEUTRAL
        np.testing.assert_array_equal(changed, expected)


def test_names_and_sizes():
    listed = ["crop", {"crop": 2}, "flip", "cutout", {"cutout": 8}]
    assert augmentations(listed) == (Crop(4), Crop(2), Flip(), Cutout(16), Cutout(8))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("crops", "did you mean crop"),
        ({"flip": 2}, "flip has no size"),
        ({"cutout": 0}, "cutout = 0: use a whole number"),
        ({"crop": True}, "crop = True"),
        ({"crop": 2, "flip": None}, "one name"),
    ],
)
def test_what_is_none(entry, said):
    with pytest.raises(ConfigError, match=said):
        augmentations([entry])
