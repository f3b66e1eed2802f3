"""When things would have happened on the emulated network: one round at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.net.spent import RoundTimes, Tally
from psim.nodes.lags import Lags

if TYPE_CHECKING:
    from psim.net.compute import Compute
    from psim.net.timeline import Sizes, Timeline
    from psim.nodes.participation import Participation

Floats = NDArray[np.float64]


class Delivery(NamedTuple):
    """What the end of a round finds: the ranks called in it whose messages are still on their way,
    and those late before whose messages have come.
    """

    late: Collection[int] = ()
    back: Collection[int] = ()


class Emulation:
    """The instant of the master's next event, in seconds since row 0's.

    ``compute`` says how long the ranks compute and what the master's own work takes, and
    ``participation`` when the master goes on. ``real``: events are held until their instants.
    ``by_rank``: where each round's time went is recorded.
    """

    def __init__(
        self,
        timeline: Timeline,
        participation: Participation,
        compute: Compute,
        real: bool = False,
        by_rank: bool = False,
    ) -> None:
        self.timeline, self.compute, self.real, self.by_rank = timeline, compute, real, by_rank
        self.participation = participation
        self.instant = 0.0
        self.round = -1
        """The round of the last broadcast."""
        workers = participation.workers
        self._ranks: Sequence[int] = range(workers)
        self._arrivals = np.zeros(workers)
        self._reported = np.zeros(workers)
        self._framed = np.zeros(workers, dtype=np.int64)
        self._received = np.zeros(workers)
        self._late: dict[int, float] = {}
        """When late messages will have come, as far as is known."""
        self.times = RoundTimes(-1, 0.0, self._ranks)
        """Where the time of the last round begun goes."""
        self.tally = Tally()
        """Where that of the rounds went which are over."""
        self.lags = Lags()

    def broadcast(self, framed: Sizes, ranks: Sequence[int]) -> list[float]:
        """x^t leaves the master for these ranks at the instant; when each of them has it.
        ``framed``: bytes on TCP, of each or of all alike.
        """
        self.round += 1
        self._ranks = ranks
        self.times = RoundTimes(self.round, self.instant, ranks)
        self._arrivals = self.timeline.broadcast(
            self.instant, framed, self._chosen(), self.round, self.times.down
        )
        due: list[float] = self._arrivals.tolist()
        return due

    def _chosen(self) -> Sequence[int] | None:
        """The ranks that take part, as the timeline wants them."""
        return None if len(self._ranks) == self.participation.workers else self._ranks

    def message(self, rank: int, framed: int, computed: float, now: float) -> None:
        """A rank's message: its bytes on TCP, the seconds that the rank reports, and (on the real
        clock) the instant at which it came.
        """
        self._framed[rank] = framed
        self._received[rank] = now
        self._reported[rank] = computed

    def messages(
        self, ranks: NDArray[np.int64], framed: NDArray[np.int64], computed: Floats, now: float
    ) -> None:
        """The messages of many ranks at once."""
        self._framed[ranks] = framed
        self._received[ranks] = now
        self._reported[ranks] = computed

    def complete(self) -> Delivery:
        """All messages of the round have been sent: move to where the master goes on."""
        times, chosen = self.times, self._chosen()
        which = slice(None) if chosen is None else np.asarray(chosen, dtype=np.int64)
        named = None if isinstance(which, slice) else which
        times.computed[:] = self.compute.seconds(self.round, self._reported[which], named)
        ready = self._arrivals + times.computed
        arrived = self.timeline.gather(
            ready, self._framed[which], chosen, self.round, times.up
        ).arrived
        delivery = self._go_on(arrived)
        times.complete(arrived, self.instant)
        if self.real:
            self.lags.add(self._received[which], arrived)
        return delivery

    def _go_on(self, arrived: Floats) -> Delivery:
        """Move to the instant at which the round ends; who is late then, and who no longer is."""
        if not self.participation.timed:
            self.instant = float(arrived.max())
            return Delivery()
        self._late.update(zip(*(each.tolist() for each in self.timeline.underway()), strict=True))
        expected = np.array(list(self._late.values()))
        self.instant = end = self.participation.ends(self.instant, arrived, expected)
        self.timeline.leave(end)
        back = {rank for rank, instant in self._late.items() if instant <= end}
        on_their_way = zip(self._ranks, arrived.tolist(), strict=True)
        late = {rank: instant for rank, instant in on_their_way if instant > end}
        self._late = {rank: at for rank, at in self._late.items() if rank not in back} | late
        return Delivery(late.keys(), back)

    def conclude(self, framed: int) -> None:
        """All ranks are asked, after the last round, for what they still have to send."""
        ranks = range(self.participation.workers)
        self._arrivals = self.timeline.broadcast(
            self.instant, framed, None, self.round + 1, RoundTimes(-1, 0.0, ranks).down
        )

    def concluded(self) -> None:
        """All of it has come; no rank computed anything for it."""
        spent = RoundTimes(-1, 0.0, range(self.participation.workers)).up
        round = self.round + 1
        gathered = self.timeline.gather(self._arrivals, self._framed, None, round, spent)
        self.instant = float(gathered.arrived.max())

    def work(self, seconds: float) -> None:
        """The master aggregated and advanced, which took so long on this machine."""
        self.times.aggregation[:] = cost = self.compute.master(self.round, seconds)
        self.instant += cost
        self.tally.add(self.times)
