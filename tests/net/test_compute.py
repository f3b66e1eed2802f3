"""How long the ranks compute, by the config's words."""

from __future__ import annotations

import numpy as np
import pytest

from psim.net.compute import (
    Compute,
    Constant,
    Drawn,
    Measured,
    Replay,
    Source,
    Straggler,
    constant,
)
from psim.net.distributions import Exponential, LogNormal

REPORTED = np.array([0.1, 0.2, 0.3])
ONES = np.ones(3)


def test_measured_is_what_the_ranks_report_and_so_is_the_masters_work() -> None:
    compute = Compute(Measured(), ONES)
    assert compute.seconds(5, REPORTED).tolist() == [0.1, 0.2, 0.3]
    assert compute.master(5, 0.7) == 0.7


def test_a_constant_depends_on_nothing() -> None:
    compute = constant(3, 0.25)
    assert compute.seconds(5, REPORTED).tolist() == [0.25] * 3
    assert compute.master(5, 0.7) == 0.0


def test_factors_scale_whatever_the_source_is() -> None:
    factors = np.array([1.0, 2.0, 0.5])
    assert Compute(Measured(), factors).seconds(0, REPORTED) == pytest.approx([0.1, 0.4, 0.15])
    assert Compute(Constant(1.0), factors).seconds(0, REPORTED).tolist() == [1.0, 2.0, 0.5]


@pytest.mark.parametrize("distribution", [LogNormal(0.01, 0.5), Exponential(0.01, 0.002)])
def test_drawn_times_have_their_distribution_and_repeat(
    distribution: LogNormal | Exponential,
) -> None:
    compute = Compute(Drawn(1, 4000, distribution), np.ones(4000), seed=1)
    drawn = compute.seconds(3, np.zeros(4000))
    assert drawn.mean() == pytest.approx(distribution.mean, rel=0.05)
    assert compute.seconds(3, np.ones(4000)).tolist() == drawn.tolist()
    assert (compute.seconds(4, np.zeros(4000)) != drawn).all()


@pytest.mark.parametrize(
    "source",
    [
        Measured(),
        Constant(0.5),
        Drawn(1, 9, Exponential(0.01, 0.002)),
        Replay(np.arange(18.0).reshape(2, 9)),
    ],
    ids=lambda source: type(source).__name__,
)
def test_some_ranks_take_what_they_take_among_all(source: Source) -> None:
    factors, reported = np.linspace(1, 3, 9), np.linspace(0.1, 0.9, 9)
    compute = Compute(source, factors, Straggler(0.4, 5.0), seed=2)
    ranks = np.array([0, 3, 8])
    for t in range(5):
        everyone = compute.seconds(t, reported)
        assert compute.seconds(t, reported[ranks], ranks).tolist() == everyone[ranks].tolist()


def test_a_replay_begins_again_when_it_is_over() -> None:
    compute = Compute(Replay([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), ONES)
    rows = [compute.seconds(t, REPORTED).tolist() for t in range(4)]
    assert rows == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]] * 2


def test_stragglers_come_and_go() -> None:
    workers, rounds = 50, 200
    compute = Compute(Constant(1.0), np.ones(workers), Straggler(0.1, 5.0), seed=2)
    times = np.array([compute.seconds(t, np.zeros(workers)) for t in range(rounds)])
    assert set(times.ravel()) == {1.0, 5.0}
    slow = times == 5.0
    assert slow.mean() == pytest.approx(0.1, abs=0.012)
    assert slow.any(axis=0).all(), "each rank is one at some time"
    assert slow.any(axis=1).mean() > 0.95
    stay = (slow[1:] & slow[:-1]).sum() / slow[:-1].sum()
    assert stay == pytest.approx(0.1, abs=0.03), "rounds are independent"


def test_a_straggler_may_stay_for_some_rounds() -> None:
    compute = Compute(Constant(1.0), np.ones(40), Straggler(0.3, 2.0, rounds=5), seed=2)
    times = np.array([compute.seconds(t, np.zeros(40)) for t in range(10)])
    assert (times[:5] == times[0]).all()
    assert (times[5:] == times[5]).all()
    assert (times[0] != times[5]).any()
