"""The logical account: what every rank sent and was sent, as if it had a connection of its own.

It does not depend on how many processes host the ranks. What each connection really carried is the
physical account, which the transport keeps and the audit holds against the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from psim.wire.size import Size

Direction = Literal["up", "down"]
Category = Literal["message", "start", "broadcast", "setup", "diagnostic"]
LEVELS = ("messages", "bits", "payload", "framed", "link")


@dataclass(slots=True)
class Ledger:
    """Counts by direction, category, level and worker. ``books[direction, category]`` is an int64
    array of shape (levels, n).
    """

    workers: int
    books: dict[tuple[Direction, Category], np.ndarray] = field(default_factory=dict)

    def add(
        self,
        direction: Direction,
        category: Category,
        size: Size,
        link: int,
        bits: int = 0,
        rank: int | None = None,
    ) -> None:
        """Charge one message to a rank, or one to every rank alike."""
        book = self.books.get((direction, category))
        if book is None:
            book = np.zeros((len(LEVELS), self.workers), dtype=np.int64)
            self.books[direction, category] = book
        counts = np.array([1, bits, size.payload, size.framed, link])
        if rank is None:
            book += counts[:, None]
        else:
            book[:, rank] += counts

    def total(self, direction: Direction, level: str, *categories: Category) -> int:
        """The sum over all workers and the categories named."""
        row = LEVELS.index(level)
        books = (self.books.get((direction, category)) for category in categories)
        return sum(int(book[row].sum()) for book in books if book is not None)

    def summary(self) -> dict[str, dict[str, dict[str, int]]]:
        """All totals: direction, category, level."""
        whole: dict[str, dict[str, dict[str, int]]] = {"up": {}, "down": {}}
        for (direction, category), book in sorted(self.books.items()):
            sums = book.sum(axis=1).tolist()
            whole[direction][category] = dict(zip(LEVELS, sums, strict=True))
        return whole

    def per_worker(self) -> dict[str, dict[str, list[int]]]:
        """Framed bytes by direction, category and rank."""
        row = LEVELS.index("framed")
        whole: dict[str, dict[str, list[int]]] = {"up": {}, "down": {}}
        for (direction, category), book in sorted(self.books.items()):
            whole[direction][category] = book[row].tolist()
        return whole
