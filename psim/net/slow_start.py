"""What TCP's slow start adds to a message on a connection that is cold, or has idled.

A window of W bytes is sent, and the rest waits for acknowledgements: a round trip R after it began
to be sent, the window is twice as large (RFC 5681, section 3.1). From where it covers the
bandwidth-delay product B = C R of the link's rate C, the link is never idle again. Round k thus
idles for R - 2^k W / C, and a message of S bytes that would take S / C takes longer by

    K R - (2^K - 1) W / C,    K = min(⌈log2(1 + S / W)⌉ - 1, ⌈log2(B / W)⌉), at least 0,

K being the rounds after which something is left to send and the window is still below B. A new
connection has W = 10 segments (RFC 6928, section 2). As it is sent, the window grows by what is
acknowledged, up to twice what was in flight and to B. A connection that has sent nothing for the
time T of its retransmission timer restarts (RFC 5681, section 4.1), on Linux by halving its window
for each T that passes, down to 10 segments (RFC 2861, section 3; tcp_cwnd_restart in
net/ipv4/tcp_output.c). T is that of `loss.timeout`.

Left out: the slow start threshold after idling, delayed acknowledgements, pacing, and that a flow
which shares the master's link has a smaller B than one which is alone there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INITIAL_SEGMENTS = 10  # RFC 6928, section 2


class Windows:
    """The congestion windows of one direction's connections, one per rank.

    Of each: the round trip and the timer T (s), and the ``rate`` C at which the link carries TCP
    payload (bytes/s). ``segment`` is the payload of a full one (bytes).
    """

    def __init__(self, round_trip: Floats, timer: Floats, rate: Floats, segment: int) -> None:
        self._round_trip, self._timer, self._rate = round_trip, timer, rate
        self.initial = float(INITIAL_SEGMENTS * segment)
        self.window = np.full(len(rate), self.initial)
        """W (bytes) when the rank last sent."""
        self.last = np.full(len(rate), -np.inf)
        """When that was (s)."""

    def delays(self, ranks: Ints, starts: Floats, nbytes: Ints) -> Floats:
        """Seconds that messages of ``nbytes`` of TCP payload take longer, begun at ``starts``."""
        window = self._restarted(ranks, starts)
        return ramp(nbytes, window, self._rate[ranks], self._round_trip[ranks])

    def sent(self, ranks: Ints, starts: Floats, ends: Floats, nbytes: Ints) -> None:
        """The messages have been sent, from ``starts`` to ``ends`` (s)."""
        window = self._restarted(ranks, starts)
        useful = _product(self._rate[ranks], self._round_trip[ranks])
        grown = np.minimum(np.minimum(window + nbytes, 2 * nbytes), useful)
        self.window[ranks] = np.maximum(window, grown)
        self.last[ranks] = ends

    def _restarted(self, ranks: Ints, now: Floats) -> Floats:
        """The windows after what has passed since the last message."""
        with np.errstate(divide="ignore", invalid="ignore"):
            timers = (now - self.last[ranks]) / self._timer[ranks]
        halvings = np.maximum(np.ceil(timers) - 1, 0.0)
        window: Floats = np.maximum(self.window[ranks] * np.exp2(-halvings), self.initial)
        return window


def ramp(nbytes: Ints, window: Floats, rate: Floats, round_trip: Floats) -> Floats:
    """K R - (2^K - 1) W / C: seconds that messages of S = ``nbytes`` take longer."""
    with np.errstate(divide="ignore", invalid="ignore"):
        product = _product(rate, round_trip)
        to_send = np.ceil(np.log2(1 + nbytes / window)) - 1
        to_cover = np.ceil(np.log2(product / window))
        rounds = np.maximum(np.minimum(to_send, to_cover), 0.0)
        delay: Floats = rounds * round_trip - (np.exp2(rounds) - 1) * window / rate
    return delay


def _product(rate: Floats, round_trip: Floats) -> Floats:
    """B = C R (bytes), also where the rate is unlimited and the round trip 0."""
    with np.errstate(invalid="ignore"):
        return np.where(round_trip > 0, rate * round_trip, 0.0)
