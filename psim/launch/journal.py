"""A run's observer that writes its folder, and passes on what a screen may show."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from psim.config import Config
from psim.launch.signals import deferred
from psim.net.spent import RoundTimes
from psim.nodes.rows import Entry, Row
from psim.results.folder import RunFolder

BETTER = {
    "test_accuracy": max,
    "hit_rate_10": max,
    "test_loss": min,
    "test_perplexity": min,
}
"""Which of two tests is the better one."""
REFRESH = 0.1
"""Seconds between reports to the screen."""


class Screen(Protocol):
    """Who watches a run."""

    def progress(self, round: int, instant: float | None, row: Row | None) -> None:
        """Where the run is, and its last row."""


class Journal:
    """The run folder, made when round 0 begins; lines logged before that are kept until then."""

    def __init__(
        self, folder: Path, config: Config, screen: Screen | None, overwrite: bool = False
    ) -> None:
        self.path, self.config, self.screen, self.overwrite = folder, config, screen, overwrite
        self.folder: RunFolder | None = None
        self.last: Row | None = None
        self.best: dict[str, float] = {}
        """What the best test said, by field."""
        self._early: list[str] = []
        self._next = 0.0

    def started(self) -> None:
        """Make the folder."""
        with deferred():  # a folder that is made is also closed
            self.folder = RunFolder(self.path, self.config.document(), self.overwrite)
        for line in self._early:
            self.folder.log(line)
        self.log(f"all {self.config.workers} workers have joined")

    def round(self, number: int, instant: float | None) -> None:
        """Tell the screen, now and then."""
        now = time.monotonic()
        if self.screen is not None and now >= self._next:
            self.screen.progress(number, instant, self.last)
            self._next = now + REFRESH

    def recorded(self, entry: Entry) -> None:
        """Append what was recorded."""
        assert self.folder is not None
        with deferred():  # lines are whole, and summary.json's last row is that of rounds.jsonl
            if isinstance(entry, RoundTimes):
                self.folder.append_ranks(entry.lines())
            else:
                self.folder.append(entry)
                self.last = entry
                self._compare(entry)

    def _compare(self, row: Row) -> None:
        for name, better in BETTER.items():
            value = row[name]
            if value is not None:
                self.best[name] = better(value, self.best.get(name, value))

    def log(self, line: str) -> None:
        """One line with its instant."""
        stamped = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}"
        if self.folder is None:
            self._early.append(stamped)
        else:
            self.folder.log(stamped)
