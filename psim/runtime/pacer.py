"""Holding events until their emulated instants: the real clock.

Instants are absolute, in emulated seconds since row 0's event: an event that is late delays itself
and no other, so that a stall of the machine does not accumulate, and events that are due at the
same instant keep their order. A wait sleeps until shortly before the instant and spins the rest: a
sleep alone ends some 50 to 80 microseconds late on Linux, and spinning costs one core for 150.
"""

from __future__ import annotations

import time
from collections.abc import Callable

EARLY = 150e-6
"""Seconds before the instant at which sleeping ends and spinning begins."""


class Pacer:
    """Emulated seconds on this machine's clock. ``spin`` False sleeps all the way."""

    def __init__(
        self,
        spin: bool = True,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._early = EARLY if spin else 0.0
        self._origin = clock()
        self.stopped = 0.0
        """Seconds for which the clock stood still: what comes is due so much later."""

    def now(self) -> float:
        """The present instant."""
        return self._clock() - self._origin - self.stopped

    def remaining(self, instant: float) -> float:
        """Seconds until the instant; negative where it has passed."""
        return instant - self.now()

    def hold(self, instant: float) -> float:
        """Wait until the instant; by how many seconds it was missed."""
        due = self._origin + self.stopped + instant
        left = due - self._clock() - self._early
        if left > 0:
            self._sleep(left)
        while (now := self._clock()) < due:
            pass
        return now - due
