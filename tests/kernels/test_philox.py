"""Compiled draws are numpy's."""

import numpy as np
import pytest

from psim import random
from psim.kernels.philox import TOGETHER, Stream


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


@pytest.mark.parametrize("last", [0, 1, 6, 4 * TOGETHER, 4 * TOGETHER + 7])
def test_a_stream_has_a_generators_numbers_part_after_part(last):
    stream = Stream(random.generator(2**63, "qsgd/3", 999_999, 2**31))
    parts = [np.empty(size) for size in (4, 400, 4 * TOGETHER, last)]
    for part in parts:
        stream.fill(part)
    found = np.concatenate(parts)
    expected = random.generator(2**63, "qsgd/3", 999_999, 2**31).random(found.size)
    assert found.tobytes() == expected.tobytes()


def test_a_stream_does_not_go_on_where_numbers_were_drawn():
    for drawn in (1, 4):
        generator = random.generator(0, "qsgd")
        generator.random(drawn)
        with pytest.raises(AssertionError):
            Stream(generator)
