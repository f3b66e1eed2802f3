"""When things would have happened on the emulated network: one round at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from psim.net.timeline import Timeline


class Emulation:
    """The instant of the master's next event, in seconds since row 0's.

    ``compute`` is what a gradient costs, in seconds; None takes what each rank reports, and what
    the master's own work took. ``real``: events are held until their instants.
    """

    def __init__(
        self, timeline: Timeline, workers: int, compute: float | None, real: bool = False
    ) -> None:
        self.timeline, self.compute, self.real = timeline, compute, real
        self.instant = 0.0
        self._arrivals = np.zeros(workers)
        self._computed = np.full(workers, compute or 0.0)
        self._framed = np.zeros(workers, dtype=np.int64)

    def broadcast(self, framed: int) -> list[float]:
        """x^t leaves the master at the instant; when each rank has it."""
        self._arrivals = self.timeline.broadcast(self.instant, framed)
        due: list[float] = self._arrivals.tolist()
        return due

    def message(self, rank: int, framed: int, computed: float | None) -> None:
        """A rank's message: its bytes on TCP, and the seconds that the rank reports."""
        self._framed[rank] = framed
        if self.compute is None:
            self._computed[rank] = computed or 0.0

    def complete(self) -> None:
        """All messages of the round have been sent: move to where the last one arrives."""
        gather = self.timeline.gather(self._arrivals + self._computed, self._framed)
        self.instant = float(gather.arrived.max())

    def work(self, seconds: float) -> None:
        """The master aggregated and advanced, which took so long on this machine."""
        if self.compute is None:
            self.instant += seconds
