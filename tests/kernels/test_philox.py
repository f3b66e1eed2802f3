"""Compiled draws are numpy's."""

import numpy as np
import pytest

from psim import random


@pytest.mark.parametrize("count", [1, 3, 4, 50])
@pytest.mark.parametrize("round", [0, 2**31])
def test_many_draws_are_those_of_each_generator(monkeypatch, count, round):
    ranks = [0, 5, 99, 999_999]
    plain = random.uniforms(2**62, "partition", ranks, round, count)
    monkeypatch.setattr(random, "_MANY", 1)
    found = random.uniforms(2**62, "partition", ranks, round, count)
    assert found.tobytes() == plain.tobytes()
    for row, rank in zip(found, ranks, strict=True):
        np.testing.assert_array_equal(
            row, random.generator(2**62, "partition", rank, round).random(count)
        )
