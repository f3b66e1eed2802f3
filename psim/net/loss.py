"""What losing segments costs a message: some cross the link again, and the last ones wait.

Each of the S segments of a message is lost with probability p, independently; so is each of its
retransmissions. The message is there when all its segments are. With the round trip R, the
timeout T and the time τ that a segment takes on the link:

1. G segments follow the last one lost, and arrive. With G of 3 or more they bring three duplicate
   acknowledgements, and all segments lost are sent again, a round trip after the third (fast
   retransmit and SACK-based recovery: RFC 5681, section 3.2; RFC 6675). That holds the message up
   only beyond what was still to be sent: max(0, R - (G - 3) τ).
2. With fewer the timer must run out: T.
3. A retransmission that is lost again also waits for the timer (RFC 6675 knows no other way), which
   doubles each time it runs out in vain (RFC 6298, section 5.5), to 120 s at most (TCP_RTO_MAX).

T = SRTT + max(200 ms, 4 RTTVAR): RFC 6298, section 2, with Linux's lower bound, which stands on the
variance (TCP_RTO_MIN; tcp_rtt_estimator in net/ipv4/tcp_input.c).

Left out: that the window shrinks after a loss, tail loss probes (RFC 8985, section 7: Linux
would send one after two round trips, so that case 2 is dear here), and lost acknowledgements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.random import generator, uniforms

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DUPLICATES = 3  # acknowledgements that mean a loss: RFC 5681, section 3.2
SHORTEST_TIMEOUT = 0.2  # s; TCP_RTO_MIN in Linux's include/net/tcp.h
LONGEST_TIMEOUT = 120.0  # s; TCP_RTO_MAX, in the same file


class Path(NamedTuple):
    """Of each message: the round trip R, the timeout T and a segment's time on the link τ (s)."""

    round_trip: Floats
    timeout: Floats
    segment_time: Floats


class Repair(NamedTuple):
    """Of each message: segments that cross the link again, and the seconds it comes later."""

    resent: Ints
    delay: Floats


def timeout(round_trip: Floats, deviation: Floats) -> Floats:
    """T (s) of paths whose round trips have this mean and this deviation (s)."""
    return round_trip + np.maximum(SHORTEST_TIMEOUT, 4 * deviation)


class Losses:
    """One direction's losses; ``probability`` is p, one number per rank."""

    def __init__(self, seed: int, purpose: str, probability: Sequence[float]) -> None:
        self._seed, self._purpose = seed, purpose
        self._probability = np.array(probability)

    def any(self) -> bool:
        return bool(self._probability.any())

    def repair(self, ranks: Ints, segments: Ints, path: Path, round: int) -> Repair:
        """What the messages of ``segments`` segments that the ranks send cost in this round."""
        resent, delay = np.zeros(len(ranks), dtype=np.int64), np.zeros(len(ranks))
        probability = self._probability[ranks]
        share = uniforms(self._seed, self._purpose, ranks, round)[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):  # p = 0: inf, or 0 / 0 at share 0
            following = np.floor(np.log1p(-share) / np.log1p(-probability))
        for i in np.flatnonzero((probability > 0) & (following < segments)).tolist():
            each = Path(*(column[i : i + 1] for column in path))
            counts = self._lost(int(ranks[i]), int(segments[i]), int(following[i]), round)
            resent[i] = sum(counts)
            delay[i] = _delay(len(counts), int(following[i]), each)
        return Repair(resent, delay)

    def _lost(self, rank: int, segments: int, following: int, round: int) -> list[int]:
        """How many segments are lost the first time, of these the second time, …, all above 0."""
        draws = generator(self._seed, self._purpose, rank, round)
        draws.random()  # it gave `following`
        p = float(self._probability[rank])
        counts = [1 + int(draws.binomial(segments - following - 1, p))]
        while again := int(draws.binomial(counts[-1], p)):
            counts.append(again)
        return counts


def _delay(passes: int, following: int, path: Path) -> float:
    """Seconds that a message is late whose segments are lost in so many passes one by one."""
    round_trip, wait, segment_time = (float(column[0]) for column in path)
    total = 0.0
    if following >= DUPLICATES:
        total, passes = max(0.0, round_trip - (following - DUPLICATES) * segment_time), passes - 1
    for doubled in range(passes):
        total += min(wait * 2.0**doubled, LONGEST_TIMEOUT)
    return total
