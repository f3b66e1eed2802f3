"""Draws are functions of (seed, purpose, rank, round), and have the distribution that they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psim.net.distributions import Distribution, Draws, Exponential, LogNormal, Normal, Uniform
from psim.random import generator, uniforms

ALL: list[Distribution] = [
    Uniform(0.0, 0.004),
    Uniform(0.002, 0.004),
    Normal(0.010, 0.001),
    LogNormal(0.005, 0.4),
    Exponential(0.0, 0.003),
    Exponential(0.001, 0.003),
]


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.integers(-1, 10**6), max_size=5),
    st.integers(0, 2**31),
    st.integers(1, 9),
)
def test_many_streams_at_once_are_those_one_by_one(
    seed: int, ranks: list[int], round: int, count: int
) -> None:
    found = uniforms(seed, "jitter.up", ranks, round, count)
    assert found.shape == (len(ranks), count)
    for row, rank in zip(found, ranks, strict=True):
        assert row.tolist() == generator(seed, "jitter.up", rank, round).random(count).tolist()


@pytest.mark.parametrize("distribution", ALL, ids=repr)
def test_mean_and_deviation_are_those_of_the_draws(distribution: Distribution) -> None:
    n = 20_000
    drawn = Draws(1, "jitter.up", [distribution] * n).at(3)
    assert drawn.min() >= 0
    assert drawn.mean() == pytest.approx(distribution.mean, abs=4 * distribution.deviation / n**0.5)
    assert drawn.std() == pytest.approx(distribution.deviation, rel=0.05)


def test_a_normal_one_is_cut_off_at_0() -> None:
    drawn = Draws(1, "jitter.up", [Normal(0.0, 0.001)] * 1000).at(0)
    assert drawn.min() == 0
    assert (drawn == 0).mean() == pytest.approx(0.5, abs=0.06)


def test_each_rank_draws_from_its_own_and_the_same_whoever_else_draws() -> None:
    mixed = Draws(5, "jitter.down", [ALL[0], None, ALL[4], ALL[0]])
    alone = Draws(5, "jitter.down", [None, None, None, ALL[0]])
    assert mixed.at(9)[[1, 3]].tolist() == [0.0, alone.at(9)[3]]
    assert mixed.at(9).tolist() == mixed.at(9).tolist() != mixed.at(10).tolist()
    assert Draws(6, "jitter.down", [ALL[0]]).at(9) != mixed.at(9)[0]
    assert Draws(5, "jitter.up", [ALL[0]]).at(9) != mixed.at(9)[0]


def test_a_draw_is_the_quantile_of_the_streams_first_number() -> None:
    share = generator(7, "jitter.up", 2, 11).random()
    drawn = Draws(7, "jitter.up", [None, None, Exponential(0.0, 0.003)]).at(11)[2]
    assert drawn == pytest.approx(-0.003 * np.log(1 - share), rel=1e-12)


def test_some_ranks_draw_what_they_draw_among_all() -> None:
    fast, slow = Exponential(0.0, 1.0), Exponential(5.0, 1.0)
    draws = Draws(3, "jitter.up", [fast, None, slow, fast, slow])
    everyone = draws.at(7)
    assert draws.at(7, np.array([1, 2, 4])).tolist() == everyone[[1, 2, 4]].tolist()
    assert everyone[1] == 0.0
    assert min(everyone[[2, 4]]) > 5.0
