"""Instants are held, none before its time, and a late one delays no other."""

from __future__ import annotations

import pytest

from psim.runtime.pacer import EARLY, Pacer


class Clock:
    """Time that passes only by sleeping, and a little with every look at it."""

    def __init__(self, oversleep: float = 80e-6) -> None:
        self.now, self.oversleep, self.sleeps = 100.0, oversleep, list[float]()

    def __call__(self) -> float:
        self.now += 1e-7
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds + self.oversleep


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_hold_ends_at_the_instant_although_sleeps_end_late(clock: Clock) -> None:
    pacer = Pacer(True, clock, clock.sleep)
    assert 0 <= pacer.hold(0.02) < 1e-6
    assert clock.now == pytest.approx(100.02, abs=1e-6)
    assert clock.sleeps == [pytest.approx(0.02 - EARLY, abs=1e-6)]


def test_without_spinning_a_hold_ends_as_late_as_the_sleep(clock: Clock) -> None:
    assert Pacer(False, clock, clock.sleep).hold(0.02) == pytest.approx(80e-6, abs=1e-6)


def test_an_instant_that_has_passed_is_not_waited_for(clock: Clock) -> None:
    pacer = Pacer(True, clock, clock.sleep)
    pacer.hold(0.01)
    assert pacer.hold(0.005) == pytest.approx(0.005, abs=1e-6)
    assert len(clock.sleeps) == 1


def test_a_stall_of_100_ms_does_not_accumulate(clock: Clock) -> None:
    pacer = Pacer(True, clock, clock.sleep)
    late = []
    for event in range(1, 21):
        if event == 5:
            clock.now += 0.1
        late.append(pacer.hold(0.02 * event))
    assert max(late[:4]) < 1e-6
    assert late[4] == pytest.approx(0.08, abs=1e-5)
    assert late[5:8] == pytest.approx([0.06, 0.04, 0.02], abs=1e-4)
    assert max(late[9:]) < 1e-6


def test_time_for_which_the_clock_stands_still_is_added(clock: Clock) -> None:
    pacer = Pacer(True, clock, clock.sleep)
    pacer.stopped = 0.5
    pacer.hold(0.02)
    assert clock.now == pytest.approx(100.52, abs=1e-6)
    assert pacer.now() == pytest.approx(0.02, abs=1e-6)
