"""A link of the star, and what a message weighs on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from psim.net.distributions import Distribution
from psim.net.trace import Trace

ETHERNET_HEADER = 14  # two addresses and the EtherType: IEEE 802.3-2022, clause 3
IPV4_HEADER = 20  # without options: RFC 791, section 3.1
TCP_HEADER = 20  # without options: RFC 9293, section 3.1
TIMESTAMPS = 12  # RFC 7323, section 3.2: 10 bytes, padded with two no-operations (appendix A)
# The Ethernet header lies outside the MTU; the other headers take their room from it.
INSIDE_MTU = IPV4_HEADER + TCP_HEADER + TIMESTAMPS
PER_SEGMENT = ETHERNET_HEADER + INSIDE_MTU

Size = TypeVar("Size", int, NDArray[np.int64])


@dataclass(frozen=True, slots=True)
class Link:
    """One direction between a worker and the master: bandwidth in bits/s, latency in s one way.

    ``jitter`` is drawn for each message and added to the latency; ``loss`` is each segment's
    probability to be lost. A ``trace`` replaces the bandwidth: at the instant 0 it shows what it
    has at ``trace_start`` (s).
    """

    bandwidth: float = inf
    latency: float = 0.0
    jitter: Distribution | None = None
    loss: float = 0.0
    trace: Trace | None = None
    trace_start: float = 0.0

    def __post_init__(self) -> None:
        # What a user writes is checked, with a message, where the config is read.
        assert self.bandwidth > 0, self.bandwidth
        assert 0 <= self.latency < inf, self.latency
        assert 0 <= self.loss < 1, self.loss


def link_bytes(framed: Size, mtu: int = 1500) -> Size:
    """Bytes on an Ethernet link of a message of `framed` bytes of TCP payload, or of each of many.

    framed + 66 ceil(framed / (mtu - 52)): 66 bytes of headers on every segment. The frame check
    sequence, the preamble and the gap between frames are left out because the kernel's shaper
    and its interface counters leave them out. So are acknowledgements, which go the other way.
    """
    return framed + PER_SEGMENT * segments(framed, mtu)


def segments(framed: Size, mtu: int = 1500) -> Size:
    """How many segments a message of `framed` bytes takes, or each of many."""
    return -(-framed // (mtu - INSIDE_MTU))
