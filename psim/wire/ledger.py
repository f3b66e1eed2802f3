"""The logical account: what every rank sent and was sent, as if it had a connection of its own.

It does not depend on how many processes host the ranks. What each connection really carried is the
physical account, which the transport keeps and the audit holds against the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Direction = Literal["up", "down"]
Category = Literal["message", "start", "broadcast", "setup", "diagnostic", "finish"]


class Charge(NamedTuple):
    """What one message costs, or what several cost together, by level."""

    messages: int
    bits: int
    payload: int
    framed: int
    link: int

    def plus(self, other: Charge) -> Charge:
        """Both together."""
        a, b = self, other
        return Charge(a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4])

    def times(self, count: int) -> Charge:
        """As many times."""
        return Charge(*(count * value for value in self))


NOTHING = Charge(0, 0, 0, 0, 0)


@dataclass(slots=True)
class Book:
    """The charges of one direction and category: in all, the framed bytes that all ranks had alike,
    and each rank's own.
    """

    total: Charge = NOTHING
    alike: int = 0
    own: dict[int, int] = field(default_factory=dict)
    many: NDArray[np.int64] | None = None
    """More of each rank's own, by rank, where they came for many ranks at once."""


@dataclass(slots=True)
class Ledger:
    """Charges by direction and category, of n ``workers``."""

    workers: int
    books: dict[tuple[Direction, Category], Book] = field(default_factory=dict)

    def charge(
        self, direction: Direction, category: Category, framed: Mapping[int, int], cost: Charge
    ) -> None:
        """Messages of, or to, some ranks: each rank's framed bytes, and what they cost together."""
        book = self._book(direction, category)
        for rank, nbytes in framed.items():
            book.own[rank] = book.own.get(rank, 0) + nbytes
        book.total = book.total.plus(cost)

    def charge_many(
        self,
        direction: Direction,
        category: Category,
        ranks: NDArray[np.int64],
        framed: NDArray[np.int64],
        cost: Charge,
    ) -> None:
        """As `charge`, for many messages; a rank may be there more than once."""
        book = self._book(direction, category)
        if book.many is None:
            book.many = np.zeros(self.workers, dtype=np.int64)
        np.add.at(book.many, ranks, framed)
        book.total = book.total.plus(cost)

    def charge_all(self, direction: Direction, category: Category, cost: Charge) -> None:
        """The same message to every rank."""
        book = self._book(direction, category)
        book.alike += cost.framed
        book.total = book.total.plus(cost.times(self.workers))

    def total(self, direction: Direction, *categories: Category) -> Charge:
        """All workers' charges in the categories named."""
        whole = NOTHING
        for category in categories:
            book = self.books.get((direction, category))
            whole = whole if book is None else whole.plus(book.total)
        return whole

    def summary(self) -> dict[str, dict[str, dict[str, int]]]:
        """All totals: direction, category, level."""
        whole: dict[str, dict[str, dict[str, int]]] = {"up": {}, "down": {}}
        for (direction, category), book in sorted(self.books.items()):
            whole[direction][category] = book.total._asdict()
        return whole

    def per_worker(self) -> dict[str, dict[str, list[int]]]:
        """Framed bytes by direction, category and rank."""
        whole: dict[str, dict[str, list[int]]] = {"up": {}, "down": {}}
        for (direction, category), book in sorted(self.books.items()):
            many = [0] * self.workers if book.many is None else book.many.tolist()
            whole[direction][category] = [
                book.own.get(rank, 0) + book.alike + more for rank, more in enumerate(many)
            ]
        return whole

    def _book(self, direction: Direction, category: Category) -> Book:
        return self.books.setdefault((direction, category), Book())
