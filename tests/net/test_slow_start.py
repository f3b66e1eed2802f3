"""Slow start against a simulation window by window, and against what was measured on Linux."""

from __future__ import annotations

from math import inf, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psim.net.slow_start import Windows, ramp

SEGMENT = 1448
INITIAL = 10.0 * SEGMENT
RATE = 100e6 / 8


def late(nbytes: float, window: float, rate: float, round_trip: float) -> float:
    one = (np.array([x]) for x in (int(nbytes), window, rate, round_trip))
    return float(ramp(*one)[0])


def simulated(nbytes: float, window: float, rate: float, round_trip: float) -> float:
    """Window after window: each begins when it is acknowledged, and when the link is free."""
    now = 0.0
    while nbytes > window:
        nbytes -= window
        now += max(window / rate, round_trip)
        window *= 2
    return now + nbytes / rate


@given(
    st.integers(1, 10**8),
    st.floats(INITIAL, 1e7),
    st.floats(1e3, 1e9),
    st.floats(0, 1),
)
def test_the_formula_is_the_simulation(
    nbytes: int, window: float, rate: float, round_trip: float
) -> None:
    found = nbytes / rate + late(nbytes, window, rate, round_trip)
    assert found == pytest.approx(simulated(nbytes, window, rate, round_trip), rel=1e-9)


@pytest.mark.parametrize("nbytes", [100_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("round_trip", [0.02, 0.1, 0.3])
def test_a_cold_connection_as_measured(nbytes: int, round_trip: float) -> None:
    """On Linux about R (log2(1 + min(S, B) / 14.5 kB) - 0.9): five round trips for 1 MB at
    100 Mbit/s and 100 ms. The measured line is smooth, the formula has whole rounds.
    """
    product = RATE * round_trip
    measured = round_trip * (log2(1 + min(nbytes, product) / 14.5e3) - 0.9)
    assert late(nbytes, INITIAL, RATE, round_trip) == pytest.approx(measured, abs=0.6 * round_trip)
    assert 5.0 <= late(1_000_000, INITIAL, RATE, 0.1) / 0.1 <= 5.5


def windows(round_trip: float = 0.1, rate: float = RATE) -> Windows:
    return Windows(np.array([round_trip]), np.array([0.2 + round_trip]), np.array([rate]), SEGMENT)


ONLY = np.array([0])


def test_after_a_second_of_idling_two_round_trips_are_paid_again() -> None:
    """As measured on Linux with reno: T = 0.3 s has passed three times, so W = B / 8."""
    state, nbytes = windows(), np.array([20_000_000])
    cold = state.delays(ONLY, np.array([0.0]), nbytes)
    state.sent(ONLY, np.array([0.0]), np.array([3.0]), nbytes)
    assert state.window.tolist() == [RATE * 0.1]  # B
    again = state.delays(ONLY, np.array([4.0]), nbytes)
    assert again == pytest.approx(0.1 * (3 - 7 / 8))
    assert cold > 2 * again
    for idle in (0.0, 0.1, 0.3):
        assert state.delays(ONLY, np.array([3.0 + idle]), nbytes) == 0.0
    assert state.delays(ONLY, np.array([3.31]), nbytes) > 0
    forgotten = state.delays(ONLY, np.array([1000.0]), nbytes)
    assert forgotten == cold


def test_short_messages_fit_the_first_window_and_leave_it_as_it_is() -> None:
    state, nbytes = windows(), np.array([14_480])
    assert state.delays(ONLY, np.array([0.0]), nbytes) == 0.0
    state.sent(ONLY, np.array([0.0]), np.array([0.1]), np.array([500]))
    assert state.window.tolist() == [INITIAL]
    state.sent(ONLY, np.array([0.1]), np.array([0.2]), nbytes)
    assert state.window.tolist() == [2 * INITIAL]


@pytest.mark.parametrize(("rate", "round_trip"), [(inf, 0.0), (RATE, 0.0), (inf, 0.1)])
def test_links_without_limits(rate: float, round_trip: float) -> None:
    state, nbytes = windows(round_trip, rate), np.array([1_000_000])
    expected = 6 * round_trip  # 7 windows of 10, 20, 40, … segments
    assert state.delays(ONLY, np.array([0.0]), nbytes) == pytest.approx(expected)
    state.sent(ONLY, np.array([0.0]), np.array([0.0]), nbytes)
    assert np.isfinite(state.window).all()
