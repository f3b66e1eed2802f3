"""Bytes on the link: segments counted one by one, and sizes worked out by hand."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psim.net.links import Link, link_bytes


@pytest.mark.parametrize(
    ("framed", "expected"),
    [
        (0, 0),  # nothing is sent
        (1, 67),
        (90, 156),
        (1448, 1514),  # a full frame: the MTU and the Ethernet header
        (1449, 1448 + 66 + 1 + 66),
        (2896, 2 * 1514),
        (46_000_000, 46_000_000 + 31_768 * 66),  # 46e6 / 1448 = 31,767.96
    ],
)
def test_ethernet_by_hand(framed: int, expected: int) -> None:
    assert link_bytes(framed) == expected


@given(st.integers(0, 40_000), st.integers(100, 9000))
def test_segments_counted_one_by_one(framed: int, mtu: int) -> None:
    left, total = framed, 0
    while left > 0:
        segment = min(left, mtu - 52)  # what the IP and TCP headers leave of the MTU
        total += 14 + 20 + 20 + 12 + segment
        left -= segment
    assert link_bytes(framed, mtu) == total


def test_many_sizes_at_once() -> None:
    sizes = np.array([0, 1, 1448, 1449, 10**7])
    weighed = link_bytes(sizes)
    assert weighed.dtype == np.int64
    assert weighed.tolist() == [link_bytes(size) for size in sizes.tolist()]


def test_a_link_is_unlimited_and_immediate_unless_said_otherwise() -> None:
    assert (Link().bandwidth, Link().latency) == (inf, 0.0)


def test_a_link_is_a_value() -> None:
    assert Link(1e7, 0.02) == Link(bandwidth=1e7, latency=0.02)
    with pytest.raises(FrozenInstanceError):
        Link().bandwidth = 1.0  # type: ignore[misc]
