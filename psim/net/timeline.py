"""The star's timeline: what a broadcast and a gather would have cost on the emulated network.

The model is fluid. Every worker has a link to the master and one from it; flows that meet at the
master share its ingress, or its egress, max-min fairly (Bertsekas and Gallager, Data Networks,
2nd ed., section 6.5.2), as TCP flows do in the long run, and each stays within its own link.
Messages weigh what they weigh on Ethernet (`links.link_bytes`).

Left out: slow start (connections are warm), the round trip that TCP needs to find a new fair
share, acknowledgements, loss, jitter, and the order of packets within a message: a message counts
when its last bit is there. Uplinks and downlinks don't disturb each other (full duplex).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from psim.net.fluid import finish_times
from psim.net.links import Link, link_bytes

Floats = NDArray[np.float64]
Sizes = Sequence[int] | NDArray[np.int64] | int


class Gather(NamedTuple):
    """Instants (s), one per message: first bit sent, last bit sent, last bit at the master."""

    started: Floats
    finished: Floats
    arrived: Floats


class Timeline:
    """The links of ranks 0 to n - 1, and the master's ingress and egress (bits/s).

    Sizes are `framed` bytes: TCP payload, one number per message or one for all. `ranks` names the
    ranks that take part, in the order of the other arguments and of the result; None is all.
    """

    def __init__(
        self,
        uplinks: Sequence[Link],
        downlinks: Sequence[Link],
        ingress: float = inf,
        egress: float = inf,
        mtu: int = 1500,
    ) -> None:
        assert len(uplinks) == len(downlinks), (len(uplinks), len(downlinks))
        self._ingress, self._egress, self._mtu = ingress, egress, mtu
        self._up_bandwidth, self._up_latency = _columns(uplinks)
        self._down_bandwidth, self._down_latency = _columns(downlinks)

    def broadcast(self, now: float, framed: Sizes, ranks: Sequence[int] | None = None) -> Floats:
        """Instants (s) at which the ranks have what the master begins to send to all at `now`."""
        bandwidth, latency = _of(ranks, self._down_bandwidth, self._down_latency)
        starts = np.full(len(bandwidth), now, dtype=np.float64)
        return finish_times(starts, self._bits(framed, starts), bandwidth, self._egress) + latency

    def gather(self, ready: ArrayLike, framed: Sizes, ranks: Sequence[int] | None = None) -> Gather:
        """Instants at which messages travel that the ranks begin to send at `ready` (s).

        The round is complete at arrived.max().
        """
        bandwidth, latency = _of(ranks, self._up_bandwidth, self._up_latency)
        started = np.array(ready, dtype=np.float64)
        # The ingress is at the master's end of the link: there a flow begins when its first bit
        # has propagated, and meets the others that are there *then*, whenever they were sent.
        entered = started + latency
        bits = self._bits(framed, started)
        arrived = finish_times(entered, bits, bandwidth, self._ingress)
        return Gather(started, arrived - latency, arrived)

    def _bits(self, framed: Sizes, like: Floats) -> Floats:
        """Bits on the link of each of the messages."""
        nbytes = link_bytes(np.asarray(framed, dtype=np.int64), self._mtu)
        return np.full_like(like, 8 * nbytes)


def _columns(links: Sequence[Link]) -> tuple[Floats, Floats]:
    """Bandwidths (bits/s) and latencies (s)."""
    bandwidth = np.array([link.bandwidth for link in links], dtype=np.float64)
    return bandwidth, np.array([link.latency for link in links], dtype=np.float64)


def _of(ranks: Sequence[int] | None, *columns: Floats) -> tuple[Floats, ...]:
    if ranks is None:
        return columns
    chosen = np.asarray(ranks, dtype=np.intp)  # without the type, no ranks would be no index
    return tuple(column[chosen] for column in columns)
