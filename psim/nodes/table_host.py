"""A worker host whose ranks work together: their gradients, states and messages are tables.

What it makes of a round is what `worker.WorkerHost` makes of it rank by rank, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from psim.compressors.tables import selection
from psim.methods.base import Schema
from psim.methods.compress_rows import CompressRows
from psim.methods.crowds import Crowd, crowd
from psim.nodes.worker import WorkerHost
from psim.tables import Table
from psim.vectors import Dense, Payload, squared_norm, torch
from psim.wire.encode import Encoded, encode
from psim.wire.encode_alike import encode_alike
from psim.wire.messages import Kind, Packet

if TYPE_CHECKING:
    from psim.nodes.setup import Setup
    from psim.problems.batched import Batched
    from psim.wire.layout import Buffer

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]

AT_ONCE = 1 << 18
"""Entries of the tables that ranks are computed in at a time: they stay in the cache."""
SHORT = 2_000
"""Entries of vectors up to which a host's ranks are computed together: selecting in longer ones
takes compiled code, which goes rank by rank.
"""
PLAIN = Schema(("c",))
"""What the ranks send: one payload."""


def possible(setup: Setup) -> bool:
    """Whether the method and the compressor have a form for tables, in a run of these terms."""
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


def worthwhile(setup: Setup) -> bool:
    """Whether the ranks of a host are best computed so."""
    return setup.size <= SHORT and possible(setup)


class TableHost(WorkerHost):
    """Some ranks of a run for which this is `possible`.

    ``measured``: how long a rank computes is wanted. One of them then works by itself in each
    round, in turn, and each is credited with what it last took so: what a machine of its own would
    need, and not its part of a table, which is less.
    """

    def __init__(
        self,
        setup: Setup,
        problem: Batched,
        ranks: Collection[int],
        stopwatch: Callable[[], float],
        measured: bool = False,
    ) -> None:
        super().__init__(setup, {}, stopwatch)
        self.hosted = ranks
        self._listed = np.array(sorted(ranks))
        self._at_once = max(1, AT_ONCE // setup.size)
        """As many ranks are computed together as is best for the cache."""
        self._problem = problem
        select = selection(setup.compressor, setup.size)
        assert select is not None, "it is possible"
        self._compress = CompressRows(select, setup.dtype(setup.values))
        self._crowd: Crowd | None = None
        self._x: torch.Tensor | None = None
        self._point = np.empty(0)
        """x^t as an array."""
        self._errors: Floats | None = None
        """‖e_i‖² before the last message and its sum over the rounds; shape (2, n)."""
        self._measured = measured
        self._seconds = np.full(setup.workers, np.nan if measured else 0.0)
        """What each rank took when it last worked by itself."""

    @np.errstate(all="ignore")
    def prepare(self) -> None:
        """Compile, or load, before the first round what messages of few ranks and of many need."""
        origin = torch.zeros(self.setup.size, dtype=torch.float64)
        tried = crowd(self.setup.method.worker(origin), self.setup.workers)
        assert tried is not None, "it is possible"
        for some in (self._listed[:1], next(self._parts(self._listed))):
            gradients = self._problem.gradients(origin, some)
            tried.message(some, gradients, self.setup.step(1), self._compress)

    def receive(self, frames: Sequence[Buffer]) -> Iterator[tuple[int, Encoded]]:
        """Most rounds begin with the model for all ranks: no more is done then than must be."""
        point = self._models.numbers(frames, self.round + 1) if self._straight else None
        if point is None:
            return super().receive(frames)
        assert self.iterate is not None
        if self.iterate.x is not self._x:
            self._x = self.iterate.x
            self._point = self._x.numpy()
        self._point[:] = point
        self.round += 1
        return self._messages(self._listed)

    @np.errstate(all="ignore")  # a run that diverges overflows; its row says so
    def _messages(self, wanted: Collection[int]) -> Iterator[tuple[int, Encoded]]:
        ranks = self._listed if len(wanted) == len(self._listed) else np.array(sorted(wanted))
        alone = self._measured or len(ranks) > self._at_once
        table = Table.joined([*self._tables(ranks)]) if alone else self._table(ranks)
        listed, seconds = ranks.tolist(), self._seconds[ranks].tolist()
        made = encode_alike(self.round, listed, table, seconds, self.setup.indices)
        return zip(listed, made, strict=True)

    @np.errstate(all="ignore")
    def _reported(self, question: Packet) -> Iterator[tuple[int, Encoded]]:
        x, round = self._asked_about(question), question.round
        complete, answers = self.setup.complete(round), []
        for some in self._parts(self._listed):
            numbers, gradients = self._numbers(x, some, complete)
            for place, rank in enumerate(some.tolist()):
                payloads: tuple[Payload, ...] = ()
                if gradients is not None:
                    payloads = (Dense(torch.from_numpy(gradients[place])),)
                scalars = tuple(numbers[place].tolist())
                packet = Packet(Kind.DIAGNOSTIC, round, rank, payloads, scalars)
                answers.append((rank, encode(packet)))
        return iter(answers)

    def _tables(self, ranks: Ranks) -> Iterator[Table]:
        """The messages of the ranks, ascending; where it is measured, those whose turn it is are
        made and timed by themselves.
        """
        start = 0
        for place in self._turn(ranks):
            yield from map(self._table, self._parts(ranks[start:place]))
            start = place + 1
            yield self._timed(ranks[place:start])
        yield from map(self._table, self._parts(ranks[start:]))

    def _timed(self, rank: Ranks) -> Table:
        """The message of one rank."""
        self._look(rank)
        began = self.stopwatch()
        table = self._made(rank)
        self._seconds[rank] = self.stopwatch() - began
        return table

    def _turn(self, ranks: Ranks) -> list[int]:
        """The places of those whose turn it is: all that have had none."""
        if not self._measured:
            return []
        alone = np.isnan(self._seconds[ranks])
        alone[self.round % len(ranks)] = True
        places: list[int] = np.flatnonzero(alone).tolist()
        return places

    def _table(self, ranks: Ranks) -> Table:
        """The messages of some ranks at x^t, and what is recorded of their states before."""
        self._look(ranks)
        return self._made(ranks)

    def _made(self, ranks: Ranks) -> Table:
        assert self.iterate is not None
        assert self._crowd is not None
        gradients = self._problem.gradients(self.iterate.x, ranks)
        return self._crowd.message(ranks, gradients, self.setup.step(self.round), self._compress)

    @property
    def _straight(self) -> bool:
        """Whether the model that begins the next round is all that can be due."""
        unanswered = self._unaddressed or self.setup.participation.partial or self._beside
        return self.iterate is not None and not unanswered

    def _start(self, x0: torch.Tensor) -> None:
        self.iterate = self.setup.iterate(x0)
        self._crowd = crowd(self.setup.method.worker(x0), self.setup.workers)

    def _parts(self, ranks: Ranks) -> Iterator[Ranks]:
        """The ranks that are computed together."""
        count = self._at_once
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

    def _numbers(
        self, x: torch.Tensor, ranks: Ranks, complete: bool
    ) -> tuple[Floats, Floats | None]:
        """The diagnostics of some ranks at x: f_i, ‖g_i - ∇f_i‖², ‖e_i‖² and its sum, a row each;
        and ∇f_i, where the round's row is ``complete``.
        """
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
        return numbers, gradients


def _squared_norms(table: Floats) -> Floats:
    """‖v‖² of each row v, as `squared_norm` has it. Rows are brought to where torch allocates: BLAS
    may add in another order elsewhere.
    """
    vector, norms = torch.empty(table.shape[1], dtype=torch.float64), np.empty(len(table))
    for number, row in enumerate(torch.from_numpy(table)):
        norms[number] = squared_norm(vector.copy_(row))
    return norms
