"""A worker host whose ranks work together: their gradients, states and messages are tables.

What it makes of a round is what `worker.WorkerHost` makes of it rank by rank, to the bit; but no
message is encoded, and its bytes follow from the codec's arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from psim.compressors.tables import selection
from psim.methods.base import Schema
from psim.methods.crowds import CompressRows, Crowd, crowd
from psim.methods.stacked import Stacked, Table
from psim.nodes.account import Weights
from psim.nodes.rows import Sums
from psim.nodes.worker import WorkerHost
from psim.vectors import Dense, squared_norm, torch
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

AT_ONCE = 1 << 18
"""Entries of the tables that ranks are computed in at a time: they stay in the cache."""
PLAIN = Schema(("c",))
"""What a crowd's ranks send: one payload."""


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


def possible(setup: Setup) -> bool:
    """Whether the method and the compressor have a form for crowds, in a run of these terms."""
    x0 = torch.zeros(1, dtype=setup.dtype("native"))
    traits = setup.traits
    plain = traits.uplink == PLAIN and traits.beside.empty and not traits.averages
    return (
        plain
        and setup.native == "float64"
        and setup.method.downlink != "gather"
        and setup.batches is None
        and setup.task is None
        and not setup.participation.timed
        and selection(setup.compressor, setup.size) is not None
        and crowd(setup.method.worker(x0), 1) is not None
    )


class CrowdHost(WorkerHost):
    """All ranks of a run for which this is `possible`. ``alone`` says how long a rank computes;
    None where nobody asks.
    """

    def __init__(self, setup: Setup, problem: Batched, alone: Alone | None) -> None:
        super().__init__(setup, {}, float)
        self._problem, self._alone = problem, alone
        select = selection(setup.compressor, setup.size)
        assert select is not None, "it is possible"
        self._compress = CompressRows(select, setup.dtype(setup.values))
        self._crowd: Crowd | None = None
        self._errors: Floats | None = None
        """‖e_i‖² before the last message and its sum over the rounds; shape (2, n)."""

    def prepare(self) -> None:
        """Compile, or load, before the first round what gradients of few ranks and of many need."""
        origin = torch.zeros(self.setup.size, dtype=torch.float64)
        for ranks in (np.arange(1), next(self._parts(np.arange(self.setup.workers)))):
            self._problem.gradients(origin, ranks)

    @np.errstate(all="ignore")  # a run that diverges overflows; its row says so
    def take(self, broadcast: Encoded, ranks: Ranks) -> Batch:
        """Move to x^t; the messages of ``ranks``, ascending."""
        packet, _ = decode(broadcast.frames, self.expected)
        self._move(packet, [])
        self._begin(packet.round)
        assert self.iterate is not None
        assert self._crowd is not None
        x, step = self.iterate.x, self.setup.step(self.round)
        seconds = np.zeros(len(ranks))
        if self._alone is not None:
            seconds = np.resize(self._alone(self._crowd, ranks, x, self.round), len(ranks))
        tables = []
        for some in self._parts(ranks):
            gradients = self._problem.gradients(x, some)
            self._look(some)
            tables.append(self._crowd.message(some, gradients, step, self._compress))
        table = Table.joined(tables)
        return Batch(Stacked("c", ranks, table), self._weights(ranks, table), seconds)

    @np.errstate(all="ignore")
    def report(self, question: Encoded) -> Report:
        """The answers of all ranks to a question about x^t."""
        packet, _ = decode(question.frames, self.expected)
        x, complete = self._asked_about(packet), self.setup.complete(packet.round)
        assert self._crowd is not None
        sums = Sums()
        for some in self._parts(np.arange(self.setup.workers)):
            self._add(sums, x, some, complete)
        payloads = (Dense(x),) if complete else ()
        first = encode(Packet(Kind.DIAGNOSTIC, packet.round, 0, payloads, (0.0,) * 4))
        return Report(sums, sizes_like(first, 0, np.arange(self.setup.workers)))

    def _start(self, x0: torch.Tensor) -> None:
        self.iterate = self.setup.iterate(x0)
        self._crowd = crowd(self.setup.method.worker(x0), self.setup.workers)

    def _parts(self, ranks: Ranks) -> Iterator[Ranks]:
        """As many ranks at a time as is best for the cache."""
        count = max(1, AT_ONCE // self.setup.size)
        return (ranks[start : start + count] for start in range(0, len(ranks), count))

    def _look(self, ranks: Ranks) -> None:
        """Before the messages: what is recorded of the states."""
        assert self._crowd is not None
        kept = self._crowd.errors(ranks)
        if kept is None:
            return
        if self._errors is None:
            self._errors = np.zeros((2, self.setup.workers))
        self._errors[0, ranks] = norms = _squared_norms(kept)
        self._errors[1, ranks] += norms

    def _add(self, sums: Sums, x: torch.Tensor, ranks: Ranks, complete: bool) -> None:
        """The diagnostics of some ranks at x, in rank order."""
        numbers = np.full((len(ranks), 4), np.nan)
        gradients = None
        if complete:
            assert self._crowd is not None
            gradients = self._problem.gradients(x, ranks)
            numbers[:, 0] = self._problem.losses(x, ranks)
            kept = self._crowd.estimates(ranks)
            if kept is not None:
                numbers[:, 1] = _squared_norms(kept - gradients)
        if self._errors is not None:
            numbers[:, 2:] = self._errors[:, ranks].T
        sums.add_table(numbers, gradients)

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


def _squared_norms(table: Floats) -> Floats:
    """‖v‖² of each row v, as `squared_norm` has it. Rows are brought to where torch allocates: BLAS
    may add in another order elsewhere.
    """
    vector, norms = torch.empty(table.shape[1], dtype=torch.float64), np.empty(len(table))
    for number, row in enumerate(torch.from_numpy(table)):
        norms[number] = squared_norm(vector.copy_(row))
    return norms
