"""What a process is at, for whoever asks it while its loop runs: a health check."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pulse:
    """Written by the loop, read by another thread. ``doing`` is what a person would say of it;
    ``turned`` the instant (monotonic, s) at which the loop last came round.
    """

    doing: str = "starting"
    turned: float = field(default_factory=time.monotonic)

    def turn(self) -> None:
        """The loop came round, with news or without."""
        self.turned = time.monotonic()
