"""All links of one direction, as columns: what each message waits for, and when it is through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.net.distributions import Draws
from psim.net.fluid import Varying, finish_times
from psim.net.links import ETHERNET_HEADER, INSIDE_MTU, PER_SEGMENT, Link, link_bytes, segments
from psim.net.loss import Losses, Path
from psim.net.slow_start import Windows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Way = Literal["up", "down"]


class Passage(NamedTuple):
    """Of each message: its last bit sent, and at the other end (s)."""

    finished: Floats
    arrived: Floats


class Direction:
    """The ranks' links towards the master ("up") or from it ("down"), and what they share there
    (``capacity``, bits/s).

    ``round_trip`` and ``timeout`` (s, one per rank) are those of the rank's connection.
    """

    def __init__(
        self,
        way: Way,
        links: Sequence[Link],
        capacity: float,
        mtu: int,
        seed: int,
        round_trip: Floats,
        timeout: Floats,
    ) -> None:
        self._way, self._capacity, self._mtu = way, capacity, mtu
        self._traces = list(dict.fromkeys(link.trace for link in links if link.trace))
        numbers = {trace: number for number, trace in enumerate(self._traces)}
        self._trace_of = np.array([numbers[link.trace] if link.trace else -1 for link in links])
        bandwidth = [link.trace.most if link.trace else link.bandwidth for link in links]
        usual = [link.trace.mean if link.trace else link.bandwidth for link in links]
        self._bandwidth, self._usual = np.array(bandwidth), np.array(usual)
        self._latency = np.array([link.latency for link in links], dtype=np.float64)
        self._trace_start = np.array([link.trace_start for link in links])
        self._jitter = Draws(seed, f"jitter.{way}", [link.jitter for link in links])
        losses = Losses(seed, f"loss.{way}", [link.loss for link in links])
        self._losses = losses if losses.any() else None
        self._round_trip, self._timeout = round_trip, timeout
        self._windows: Windows | None = None

    def start_slowly(self) -> None:
        """Model TCP's slow start from here on: all connections are cold."""
        payload = self._mtu - INSIDE_MTU
        rate = np.minimum(self._usual, self._capacity) / 8 * payload / (payload + PER_SEGMENT)
        self._windows = Windows(self._round_trip, self._timeout, rate, payload)

    def carry(self, starts: Floats, framed: Ints, ranks: Ints, round: int) -> Passage:
        """Send messages of ``framed`` bytes from the instants ``starts`` on."""
        latency = self._latency[ranks] + self._jitter.at(round)[ranks]
        resent, late = self._repair(framed, ranks, round)
        bits = 8.0 * link_bytes(framed, self._mtu) * (1.0 + resent)
        entering = starts
        if self._windows is not None:
            entering = starts + self._windows.delays(ranks, starts, framed)
        # The shared link is at the master's end. Going up, a flow enters it when its first bit
        # has propagated, and meets the others that are there *then*, whenever they were sent.
        none = np.zeros_like(latency)
        before, after = (latency, none) if self._way == "up" else (none, latency)
        through = self._through(entering + before, bits, ranks, before) + late
        passage = Passage(through - before, through + after)
        if self._windows is not None:
            self._windows.sent(ranks, starts, passage.finished, framed)
        return passage

    def _repair(self, framed: Ints, ranks: Ints, round: int) -> tuple[Floats, Floats]:
        """The share of each message that crosses again, and the seconds it is late by losses."""
        if self._losses is None:
            return np.zeros(len(ranks)), np.zeros(len(ranks))
        count = segments(framed, self._mtu)
        segment_time = 8 * (self._mtu + ETHERNET_HEADER) / self._usual[ranks]
        path = Path(self._round_trip[ranks], self._timeout[ranks], segment_time)
        repair = self._losses.repair(ranks, count, path, round)
        return repair.resent / np.maximum(count, 1.0), repair.delay

    def _through(self, entering: Floats, bits: Floats, ranks: Ints, before: Floats) -> Floats:
        """When the messages have passed the shared link. What a trace shows holds at the sender of
        the flow: `before` seconds earlier.
        """
        varying = []
        for number, trace in enumerate(self._traces):
            flows = np.flatnonzero(self._trace_of[ranks] == number)
            shifts = (self._trace_start[ranks] - before)[flows]
            varying.append(Varying(trace, flows, shifts))
        return finish_times(entering, bits, self._bandwidth[ranks], self._capacity, varying)
