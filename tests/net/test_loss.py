"""Lost segments: the counts against their distribution, the delays by hand."""

from __future__ import annotations

import numpy as np
import pytest

from psim.net.loss import Losses, Path, _delay, timeout

MANY = 4000


def repair(probability: float, segments: int, segment_time: float = 0.0, n: int = MANY):
    losses = Losses(3, "loss.up", [probability] * n)
    path = Path(np.full(n, 0.1), np.full(n, 0.3), np.full(n, segment_time))
    return losses.repair(np.arange(n), np.full(n, segments), path, 7)


@pytest.mark.parametrize(("probability", "segments"), [(0.01, 200), (0.2, 3), (0.5, 1)])
def test_every_segment_is_sent_until_it_arrives(probability: float, segments: int) -> None:
    """The number sent again is negative binomial: mean S p / (1 - p), variance S p / (1 - p)^2."""
    resent = repair(probability, segments).resent
    mean = segments * probability / (1 - probability)
    deviation = np.sqrt(mean / (1 - probability) / MANY)
    assert resent.mean() == pytest.approx(mean, abs=4 * deviation)
    assert resent.var() == pytest.approx(mean / (1 - probability), rel=0.2)
    whole = (1 - probability) ** segments
    assert (resent == 0).mean() == pytest.approx(whole, abs=4 * np.sqrt(whole / MANY))


def test_nothing_is_late_that_loses_nothing() -> None:
    found = repair(0.02, 50)
    assert (found.delay[found.resent == 0] == 0).all()
    assert (found.delay[found.resent > 0] > 0).all()


def test_the_last_three_segments_wait_for_the_timer() -> None:
    """One segment alone has none after it: lost k times, it waits T, 2 T, 4 T, …"""
    found = repair(0.3, 1)
    for times in (1, 2, 3):
        assert found.delay[found.resent == times] == pytest.approx((2**times - 1) * 0.3)


def test_others_are_sent_again_after_a_round_trip() -> None:
    found = repair(1e-4, 1000)
    once = found.resent == 1
    assert found.delay[once].tolist().count(0.1) >= 0.98 * once.sum() > 100


@pytest.mark.parametrize(
    ("passes", "following", "expected"),
    [
        (1, 0, 0.3),
        (1, 2, 0.3),  # two duplicate acknowledgements are not enough
        (1, 3, 0.1),
        (1, 13, 0.09),  # ten segments were still to be sent, of 1 ms each
        (1, 103, 0.0),
        (1, 500, 0.0),
        (2, 3, 0.1 + 0.3),  # the retransmission was lost too
        (3, 500, 0.3 + 0.6),
        (2, 2, 0.3 + 0.6),
    ],
)
def test_delays_by_hand(passes: int, following: int, expected: float) -> None:
    path = Path(*(np.array([x]) for x in (0.1, 0.3, 0.001)))
    assert _delay(passes, following, path) == pytest.approx(expected)


def test_a_loss_early_in_a_long_message_holds_nothing_up() -> None:
    """With 1 ms a segment and a round trip of 100 ms, only the last 103 segments are urgent."""
    found = repair(1e-4, 1000, segment_time=1e-3)
    once = found.resent == 1
    urgent = found.delay[once] > 0
    assert urgent.mean() == pytest.approx(0.103, abs=0.05)
    assert found.delay[once].max() <= 0.3


def test_the_timer_doubles_to_two_minutes_and_no_further() -> None:
    losses = Losses(0, "loss.up", [0.5] * MANY)
    path = Path(np.full(MANY, 0.1), np.full(MANY, 50.0), np.zeros(MANY))
    found = losses.repair(np.arange(MANY), np.ones(MANY, dtype=np.int64), path, 0)
    for times, waited in ((1, 50), (2, 150), (3, 270), (4, 390)):
        assert set(found.delay[found.resent == times]) == {waited}


def test_timers_stand_on_the_round_trip_and_on_200_ms_at_least() -> None:
    found = timeout(np.array([0.0, 0.1, 0.1]), np.array([0.0, 0.01, 0.1]))
    assert found == pytest.approx([0.2, 0.3, 0.5])


def test_losses_depend_on_seed_rank_and_round_alone() -> None:
    losses = Losses(1, "loss.up", [0.3] * 50)
    path = Path(*(np.full(50, x) for x in (0.1, 0.3, 0.001)))
    whole = losses.repair(np.arange(50), np.full(50, 20), path, 4)
    some = np.array([40, 3])
    part = losses.repair(some, np.full(2, 20), Path(*(c[:2] for c in path)), 4)
    assert part.resent.tolist() == whole.resent[some].tolist()
    later = losses.repair(np.arange(50), np.full(50, 20), path, 5)
    assert later.resent.tolist() != whole.resent.tolist()


def test_a_link_without_losses_among_others_loses_nothing() -> None:
    losses = Losses(1, "loss.up", [0.0, 0.5])
    path = Path(*(np.full(2, x) for x in (0.1, 0.3, 0.001)))
    resent = [losses.repair(np.arange(2), np.full(2, 100), path, t).resent for t in range(20)]
    assert sum(r[0] for r in resent) == 0 < min(r[1] for r in resent)
