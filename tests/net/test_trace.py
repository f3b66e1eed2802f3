"""Bandwidths that change with time, by hand and against steps of a thousandth of a second."""

from __future__ import annotations

from itertools import islice
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psim.net.trace import Trace

ONCE = Trace([0.0, 1.0, 3.0], [10.0, 0.0, 5.0])
AGAIN = Trace([0.0, 1.0, 3.0], [10.0, 0.0, 5.0], period=4.0)  # 15 bits a period


def test_what_it_carries_by_hand() -> None:
    assert ONCE.carried([0.0, 0.5, 1.0, 2.0, 3.0, 5.0]).tolist() == [0, 5, 10, 10, 10, 20]
    assert AGAIN.carried([4.0, 4.5, 5.5, 8.0]).tolist() == [15, 20, 25, 30]
    assert (ONCE.most, AGAIN.most) == (10.0, 10.0)
    assert (ONCE.mean, AGAIN.mean) == (5.0, 15 / 4)


@pytest.mark.parametrize(
    ("trace", "start", "bits", "finish"),
    [
        (ONCE, 0.0, 5.0, 0.5),
        (ONCE, 0.0, 10.0, 1.0),  # complete before the pause, not after it
        (ONCE, 0.0, 11.0, 3.2),
        (ONCE, 1.5, 1.0, 3.2),  # begun in the pause
        (ONCE, 1.5, 0.0, 1.5),
        (ONCE, 10.0, 5.0, 11.0),
        (AGAIN, 0.0, 15.0, 4.0),
        (AGAIN, 3.5, 2.5, 4.0),
        (AGAIN, 0.0, 150.0, 40.0),
        (AGAIN, 39.5, 12.5, 41.0),
        (AGAIN, 4.0, 1.0, 4.1),
    ],
)
def test_when_a_message_is_through_by_hand(
    trace: Trace, start: float, bits: float, finish: float
) -> None:
    assert trace.finish([start], [bits])[0] == pytest.approx(finish, rel=1e-12)


def test_the_changes_that_follow() -> None:
    assert list(ONCE.changes(0.5)) == [(0.5, 10.0), (1.0, 0.0), (3.0, 5.0)]
    assert list(ONCE.changes(7.0)) == [(7.0, 5.0)]
    expected = [(4.0, 10.0), (5.0, 0.0), (7.0, 5.0), (8.0, 10.0)]
    assert list(islice(AGAIN.changes(4.0), 4)) == expected


@given(st.integers(1, 999), st.integers(0, 10**5), st.sampled_from([1e6, 12e6, 1e9 / 7]))
def test_what_fits_before_a_pause_does_not_wait_for_its_end(
    milliseconds: int, periods: int, rate: float
) -> None:
    trace = Trace([0.0, milliseconds * 1e-3], [rate, 0.0], period=1.0)
    found = trace.finish([float(periods)], [rate * milliseconds * 1e-3])
    assert found == pytest.approx(periods + milliseconds * 1e-3, abs=1e-6)
    again = trace.finish([float(periods)], [3 * rate * milliseconds * 1e-3])
    assert again == pytest.approx(periods + 2 + milliseconds * 1e-3, abs=1e-6)


@given(
    st.lists(st.floats(0, 100).map(round), min_size=1, max_size=6),
    st.floats(0, 50),
    st.floats(1e-3, 500),
    st.booleans(),
)
def test_finishing_is_the_inverse_of_carrying(
    rates: list[float], start: float, bits: float, again: bool
) -> None:
    trace = Trace(
        np.arange(len(rates)), [*rates[:-1], rates[-1] or 1], len(rates) if again else inf
    )
    finish = trace.finish([start], [bits])
    assert trace.carried(finish) - trace.carried([start]) == pytest.approx(bits, rel=1e-9)
    # No earlier instant would do.
    assert trace.carried(finish - 1e-6) < trace.carried(finish)
