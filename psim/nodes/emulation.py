"""When things would have happened on the emulated network: one round at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from psim.nodes.lags import Lags

if TYPE_CHECKING:
    from psim.net.compute import Compute
    from psim.net.timeline import Timeline


class Emulation:
    """The instant of the master's next event, in seconds since row 0's.

    ``compute`` says how long the ranks compute and what the master's own work takes. ``real``:
    events are held until their instants.
    """

    def __init__(
        self, timeline: Timeline, workers: int, compute: Compute, real: bool = False
    ) -> None:
        self.timeline, self.compute, self.real = timeline, compute, real
        self.instant = 0.0
        self.round = -1
        """The round of the last broadcast."""
        self._arrivals = np.zeros(workers)
        self._reported = np.zeros(workers)
        self._framed = np.zeros(workers, dtype=np.int64)
        self._received = np.zeros(workers)
        self.lags = Lags()

    def broadcast(self, framed: int) -> list[float]:
        """x^t leaves the master at the instant; when each rank has it."""
        self.round += 1
        self._arrivals = self.timeline.broadcast(self.instant, framed, round=self.round)
        due: list[float] = self._arrivals.tolist()
        return due

    def message(self, rank: int, framed: int, computed: float | None, now: float) -> None:
        """A rank's message: its bytes on TCP, the seconds that the rank reports, and (on the real
        clock) the instant at which it came.
        """
        self._framed[rank] = framed
        self._received[rank] = now
        self._reported[rank] = computed or 0.0

    def complete(self) -> None:
        """All messages of the round have been sent: move to where the last one arrives."""
        ready = self._arrivals + self.compute.seconds(self.round, self._reported)
        gather = self.timeline.gather(ready, self._framed, round=self.round)
        self.instant = float(gather.arrived.max())
        if self.real:
            self.lags.add(self._received, gather.arrived)

    def work(self, seconds: float) -> None:
        """The master aggregated and advanced, which took so long on this machine."""
        self.instant += self.compute.master(seconds)
