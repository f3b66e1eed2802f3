"""The worker host of very many ranks in the master's own process: tables in the place of frames.

What it makes of a round is what `table_host.TableHost` makes of it; but no message is encoded, and
its bytes follow from the codec's arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from psim.methods.crowds import Crowd
from psim.methods.stacked import Stacked
from psim.nodes.account import Weights
from psim.nodes.rows import Sums
from psim.nodes.table_host import TableHost
from psim.tables import Table
from psim.vectors import Dense, torch
from psim.wire.alike_sizes import Sizes, same_length, sizes_like
from psim.wire.decode import decode
from psim.wire.encode import Encoded, encode
from psim.wire.messages import Kind, Packet

if TYPE_CHECKING:
    from psim.nodes.setup import Setup
    from psim.problems.batched import Batched

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]
Alone = Callable[[Crowd, Ranks, torch.Tensor, int], Floats]
"""Seconds that some of the ranks take for their message when each works by itself."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of a round: what the ranks send, what that weighs, and the seconds that each
    computed.
    """

    messages: Stacked
    weights: Weights
    seconds: Floats


@dataclass(frozen=True, slots=True)
class Report:
    """The diagnostics of all ranks, and what these would weigh as messages."""

    sums: Sums
    sizes: Sizes


class CrowdHost(TableHost):
    """All ranks of a run. ``alone`` says how long a rank computes; None where nobody asks."""

    def __init__(self, setup: Setup, problem: Batched, alone: Alone | None) -> None:
        super().__init__(setup, problem, range(setup.workers), float)
        self._alone = alone

    @np.errstate(all="ignore")  # a run that diverges overflows; its row says so
    def take(self, broadcast: Encoded, ranks: Ranks) -> Batch:
        """Move to x^t; the messages of ``ranks``, ascending."""
        packet, _ = decode(broadcast.lent(), self.expected)
        self._move(packet, [])
        self.round = packet.round
        assert self.iterate is not None
        assert self._crowd is not None
        seconds = np.zeros(len(ranks))
        if self._alone is not None:
            alone = self._alone(self._crowd, ranks, self.iterate.x, self.round)
            seconds = np.resize(alone, len(ranks))
        table = Table.joined([self._table(some) for some in self._parts(ranks)])
        return Batch(Stacked("c", ranks, table), self._weights(ranks, table), seconds)

    @np.errstate(all="ignore")
    def report(self, question: Encoded) -> Report:
        """The answers of all ranks to a question about x^t."""
        packet, _ = decode(question.lent(), self.expected)
        x, complete = self._asked_about(packet), self.setup.complete(packet.round)
        sums = Sums()
        for some in self._parts(np.arange(self.setup.workers)):
            sums.add_table(*self._numbers(x, some, complete))
        payloads = (Dense(x),) if complete else ()
        first = encode(Packet(Kind.DIAGNOSTIC, packet.round, 0, payloads, (0.0,) * 4))
        return Report(sums, sizes_like(first, 0, np.arange(self.setup.workers)))

    def _weights(self, ranks: Ranks, table: Table) -> Weights:
        """What the messages weigh: all as the first, but for the rank, where their indices take as
        many bytes whatever they are.
        """
        setup, count = self.setup, table.values.shape[1]
        alike = table.indices is None or same_length(count, setup.size, setup.indices)
        if alike:
            sizes = sizes_like(self._encoded(int(ranks[0]), table, 0), int(ranks[0]), ranks)
        else:
            each = [self._encoded(rank, table, row) for row, rank in enumerate(ranks.tolist())]
            columns = np.array([message.size for message in each]).T
            sizes = Sizes(columns[0], columns[1])
        nnz = len(ranks) * count
        return Weights(ranks, *sizes, 32 * nnz, nnz)

    def _encoded(self, rank: int, table: Table, row: int) -> Encoded:
        packet = Packet(Kind.MESSAGE, self.round, rank, (table.row(row),))
        return encode(packet, self.setup.indices)
