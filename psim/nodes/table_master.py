"""The master of hosts whose ranks work together: it takes their messages as tables.

Rounds, records, account and timeline are those of `master.Master`, to the bit; messages that are
not all of one form are taken as that one takes them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from psim.errors import WireError
from psim.methods.stacked import Stacked
from psim.nodes.account import Weights
from psim.nodes.master import Master
from psim.tables import Table
from psim.wire.alike_sizes import framed_each
from psim.wire.decode import decode_together
from psim.wire.familiar import Familiar
from psim.wire.layout import SHARED, Shape
from psim.wire.messages import Kind

if TYPE_CHECKING:
    from psim.nodes.instructions import Instruction
    from psim.wire.alike import Alike
    from psim.wire.layout import Buffer


class TableMaster(Master):
    """For runs of which `table_host.possible` holds."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._tables: list[Alike] = []
        self._familiar = Familiar()

    def receive(self, frames: Sequence[Buffer], ranks: Collection[int]) -> list[Instruction]:
        instructions = self.receive_together([(frames, ranks)])
        return super().receive(frames, ranks) if instructions is None else instructions

    @property
    def due_together(self) -> int:
        return 2 * len(self.awaited) if self._awaiting is Kind.MESSAGE else 0

    def receive_together(
        self, arrived: Sequence[tuple[Sequence[Buffer], Collection[int]]]
    ) -> list[Instruction] | None:
        alike = self._alike(arrived) if self._awaiting is Kind.MESSAGE else None
        if alike is None:
            return None
        self._tables.append(alike)
        self.awaited.difference_update(alike.ranks)
        if self.emulation is not None:
            ranks, sizes = np.array(alike.ranks), framed_each(np.array(alike.lengths))
            self.emulation.messages(ranks, sizes, alike.reports[:, 0], self._elapsed())
        return [] if self.awaited else self._gathered()

    def _alike(self, arrived: Sequence[tuple[Sequence[Buffer], Collection[int]]]) -> Alike | None:
        """The messages as tables; None where they are not all of the form that a table has, or one
        of them was not due.
        """
        try:
            found = decode_together(
                [frame for frames, _ in arrived for frame in frames],
                self._expected,
                self.round,
                self._familiar,
            )
        except WireError:
            return None
        if found is None or found.header.scalars:
            return None
        ranks, place = found.ranks, 0
        for frames, hosted in arrived:
            end = place + len(frames) // 2
            whole = frames and len(frames) % 2 == 0  # a message and its report, of one peer
            if not whole or not all(map(hosted.__contains__, ranks[place:end])):
                return None
            place = end
        due = len(set(ranks)) == len(ranks) and self.awaited.issuperset(ranks)
        (shape, *others) = found.header.shapes
        plain = not others and isinstance(shape, Shape) and shape.form != SHARED
        return found if due and plain else None

    def _gathered(self) -> list[Instruction]:
        """All messages are there: as one table, where they can be."""
        found, self._tables = self._tables, []
        if self._messages or len({tuple(alike.header.shapes) for alike in found}) > 1:
            for alike in found:
                self._add(alike.packets())
        elif found:
            self._stack(found)
        return super()._gathered()

    def _stack(self, found: Sequence[Alike]) -> None:
        """The messages by rank, and what they weigh."""
        ranks = np.concatenate([alike.ranks for alike in found])
        lengths = np.concatenate([alike.lengths for alike in found])
        table = Table.joined([alike.tables[0] for alike in found])
        if (ranks[1:] < ranks[:-1]).any():
            order = ranks.argsort()
            ranks, lengths, table = ranks[order], lengths[order], table.take(order)
        self._messages = Stacked("c", ranks, table)  # type: ignore[assignment]
        nnz = table.values.size
        self.account.together(
            Weights(ranks, lengths, framed_each(lengths), 32 * nnz, nnz), self.round
        )
