"""All links of one direction, as columns: what each message waits for, and when it is through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.net.distributions import Draws
from psim.net.fluid import Varying, alone, finish_times, remaining
from psim.net.links import ETHERNET_HEADER, INSIDE_MTU, PER_SEGMENT, Link, link_bytes, segments
from psim.net.loss import Losses, Path
from psim.net.slow_start import Windows
from psim.net.spent import Spent

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Way = Literal["up", "down"]


class Passage(NamedTuple):
    """Of each message: its last bit sent, and at the other end (s)."""

    finished: Floats
    arrived: Floats


class _Flows(NamedTuple):
    """The messages as flows through the shared link: arguments of `finish_times`."""

    starts: Floats
    bits: Floats
    caps: Floats
    varying: list[Varying]


class _Batch(NamedTuple):
    """Messages on their way: whose, as flows from ``starts`` on of so many ``bits``, and what they
    wait for before the shared link and after it (s).
    """

    ranks: Ints
    starts: Floats
    bits: Floats
    before: Floats
    after: Floats

    def joined(self, other: _Batch) -> _Batch:
        return _Batch._make(np.concatenate(both) for both in zip(self, other, strict=True))

    def only(self, which: NDArray[np.bool_]) -> _Batch:
        return _Batch._make(column[which] for column in self)


def _kinds(links: Sequence[Link]) -> tuple[NDArray[np.int32], list[Link]]:
    """Of each rank the number of its link among the different ones, and these."""
    kinds = list({id(link): link for link in links}.values())
    numbers = {id(link): number for number, link in enumerate(kinds)}
    return np.array([numbers[id(link)] for link in links], dtype=np.int32), kinds


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
        # Columns by kind of link: of a million ranks most have the same one.
        self._kind, kinds = _kinds(links)
        self._traces = list(dict.fromkeys(link.trace for link in kinds if link.trace))
        numbers = {trace: number for number, trace in enumerate(self._traces)}
        self._trace_of = np.array([numbers[link.trace] if link.trace else -1 for link in kinds])
        bandwidth = [link.trace.most if link.trace else link.bandwidth for link in kinds]
        usual = [link.trace.mean if link.trace else link.bandwidth for link in kinds]
        self._bandwidth, self._usual = np.array(bandwidth), np.array(usual)
        self._latency = np.array([link.latency for link in kinds], dtype=np.float64)
        self._trace_start = np.array([link.trace_start for link in kinds])
        self._jitter = Draws(seed, f"jitter.{way}", [link.jitter for link in links])
        losses = Losses(seed, f"loss.{way}", [link.loss for link in links])
        self._losses = losses if losses.any() else None
        self._round_trip, self._timeout = round_trip, timeout
        self._windows: Windows | None = None
        self._underway: _Batch | None = None
        self._carried: tuple[_Batch, Floats] | None = None
        """What was on its way at last, and when it passes the shared link (s)."""

    def start_slowly(self) -> None:
        """Model TCP's slow start from here on: all connections are cold."""
        payload = self._mtu - INSIDE_MTU
        bandwidth = np.minimum(self._usual, self._capacity)[self._kind]
        rate = bandwidth / 8 * payload / (payload + PER_SEGMENT)
        self._windows = Windows(self._round_trip, self._timeout, rate, payload)

    def carry(
        self, starts: Floats, framed: Ints, ranks: Ints, round: int, spent: Spent | None = None
    ) -> Passage:
        """Send messages of ``framed`` bytes from the instants ``starts`` on, and fill in ``spent``
        where it is given.
        """
        latency = self._latency[self._kind[ranks]] + self._jitter.at(round, ranks)
        resent, late = self._repair(framed, ranks, round)
        bits = 8.0 * link_bytes(framed, self._mtu) * (1.0 + resent)
        none = np.zeros_like(latency)
        cold = none if self._windows is None else self._windows.delays(ranks, starts, framed)
        # The shared link is at the master's end. Going up, a flow enters it when its first bit
        # has propagated, and meets the others that are there *then*, whenever they were sent.
        before, after = (latency, none) if self._way == "up" else (none, latency)
        batch = _Batch(ranks, starts + cold + before, bits, before, late + after)
        whole = batch if self._underway is None else batch.joined(self._underway)
        flows = self._flows(whole)
        through = finish_times(flows.starts, flows.bits, flows.caps, self._capacity, flows.varying)
        self._carried = (whole, through)
        passed = through[: len(ranks)]
        if spent is not None:
            np.add(cold + latency, late, out=spent.latency)
            self._account(spent, batch, passed, shared=flows.caps.sum() > self._capacity)
        passage = Passage(passed + late - before, passed + late + after)
        if self._windows is not None:
            self._windows.sent(ranks, starts, passage.finished, framed)
        return passage

    def leave(self, now: float) -> None:
        """What has not passed the shared link at the instant `now` goes on sharing it with what is
        carried later.
        """
        if self._carried is None:
            return
        batch, through = self._carried
        still = through > now
        self._underway = self._carried = None
        if still.any():
            left = remaining(*self._flows(batch), now=now, capacity=self._capacity)
            starts = np.maximum(batch.starts, now)
            self._underway = batch._replace(starts=starts, bits=left).only(still)
            self._carried = (self._underway, through[still])

    def underway(self) -> tuple[Ints, Floats]:
        """The ranks of messages that were left under way, and the instants at which they are at
        the other end, as far as is known now.
        """
        if self._underway is None or self._carried is None:
            return np.empty(0, np.int64), np.empty(0)
        batch, through = self._carried
        count = len(self._underway.ranks)
        arrived = through + batch.after
        return batch.ranks[-count:], arrived[-count:]

    def _flows(self, batch: _Batch) -> _Flows:
        caps = self._bandwidth[self._kind[batch.ranks]]
        return _Flows(batch.starts, batch.bits, caps, self._varying(batch.ranks, batch.before))

    def _repair(self, framed: Ints, ranks: Ints, round: int) -> tuple[Floats, Floats]:
        """The share of each message that crosses again, and the seconds it is late by losses."""
        if self._losses is None:
            return np.zeros(len(ranks)), np.zeros(len(ranks))
        count = segments(framed, self._mtu)
        segment_time = 8 * (self._mtu + ETHERNET_HEADER) / self._usual[self._kind[ranks]]
        path = Path(self._round_trip[ranks], self._timeout[ranks], segment_time)
        repair = self._losses.repair(ranks, count, path, round)
        return repair.resent / np.maximum(count, 1.0), repair.delay

    def _varying(self, ranks: Ints, before: Floats) -> list[Varying]:
        """The flows of links with a trace. What it shows holds at the sender of the flow: `before`
        seconds earlier.
        """
        varying, kinds = [], self._kind[ranks]
        for number, trace in enumerate(self._traces):
            flows = np.flatnonzero(self._trace_of[kinds] == number)
            shifts = (self._trace_start[kinds] - before)[flows]
            varying.append(Varying(trace, flows, shifts))
        return varying

    def _account(self, spent: Spent, batch: _Batch, passed: Floats, shared: bool) -> None:
        """Transfer and wait of messages that have passed the shared link at the instants `passed`;
        ``shared``: it may have held some of them up.
        """
        spent.transfer[:] = alone(*self._flows(batch))
        spent.wait[:] = 0.0
        if shared:
            # Where a flow did have its link's full rate, rounding must not make the wait negative.
            np.maximum(passed - batch.starts - spent.transfer, 0.0, out=spent.wait)
