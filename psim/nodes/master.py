"""The master as a state machine: frames in, instructions out.

Round t: x^t is broadcast, every rank sends its message at x^t, and where a row is due the ranks are
asked for diagnostics with the clock stopped. Then the messages become one update, the iterate
advances, and round t + 1 begins with the *event* whose instant is row t + 1's ``time`` and
``wall``: the master holds all that x^{t+1} needs and is about to broadcast it.

A method that reports x - (1/n) Σ r_i has its ranks send their r_i before such a row is diagnosed,
and once more, as part of the run, after its last round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from psim import vectors
from psim.errors import WireError
from psim.methods.base import Message
from psim.net.spent import NOTHING
from psim.nodes.account import Account
from psim.nodes.compression import Compression
from psim.nodes.instructions import Broadcast, Finish, Hold, Instruction, Record
from psim.nodes.kept_back import KeptBack
from psim.nodes.limits import NONE, Limits
from psim.nodes.naming import unpack
from psim.nodes.outgoing import Outgoing
from psim.nodes.participation import Attendance
from psim.nodes.rows import Answer, Event, Found, Row, Sums, row
from psim.nodes.shared import SharedIndices
from psim.vectors import Dense, Payload, Shared, torch
from psim.wire.decode import decode_all
from psim.wire.encode import Encoded, encode
from psim.wire.indices import prepare
from psim.wire.messages import Kind, Packet

if TYPE_CHECKING:
    from psim.nodes.emulation import Delivery, Emulation
    from psim.nodes.setup import Setup
    from psim.wire.layout import Buffer
    from psim.wire.size import Size

DOWN = "compressor_down"
"""The key of a method's compressor for what the master sends."""


class Master:
    """All workers' other end. The iterate takes over ``x0``.

    ``clock`` gives seconds of wall time, ``stopwatch`` seconds of computing. Without an emulation
    rows have no ``time``. The wire's account is ``account``; the iterate is ``iterate.x``.
    """

    def __init__(
        self,
        setup: Setup,
        x0: torch.Tensor,
        account: Account,
        emulation: Emulation | None,
        clock: Callable[[], float],
        stopwatch: Callable[[], float],
        f_star: float | None = None,
        limits: Limits = NONE,
    ) -> None:
        self.setup, self.account, self.emulation = setup, account, emulation
        self.participation = setup.participation
        self.clock, self.stopwatch = clock, stopwatch
        self.f_star, self.limits = f_star, limits
        self.iterate = setup.iterate(x0)
        self.state = setup.method.master(x0, setup.workers)
        self.round = 0
        self.awaited: set[int] = set()
        """The ranks whose message, or diagnostics, are still to come."""
        self.attendance = Attendance()
        self._ranks: Sequence[int] = ()
        self._current: Collection[int] = ()
        """The ranks that have been sent the last iterate."""
        self._late: dict[int, Message] = {}
        self._losses: dict[int, float] = {}
        self._kept = KeptBack()
        self._ending: Finish | None = None
        self._outgoing = Outgoing(setup)
        self._down = None
        if DOWN in setup.others:
            self._down = Compression(setup.others[DOWN], setup.dtype(setup.values), use=DOWN)
        self._then: Callable[[], list[Instruction]] = list
        self._awaiting = Kind.MESSAGE
        self._messages: dict[int, Message] = {}
        self._answers: dict[int, Answer] = {}
        self._expected = setup.expected()
        self._shared = SharedIndices(setup, setup.compressor)
        prepare(setup.size, setup.indices)

    @property
    def instant(self) -> float | None:
        """Emulated seconds since row 0's event; None without an emulation."""
        return None if self.emulation is None else self.emulation.instant

    def begin(self) -> list[Instruction]:
        """Round 0, once all workers have joined: x^0 goes out."""
        self.paused, self._began = 0.0, self.clock()
        return self._enter(None)

    def receive(self, frames: Sequence[Buffer], ranks: Collection[int]) -> list[Instruction]:
        """Take messages from the host of ``ranks``. Raises WireError where one of them breaks the
        protocol; nothing has changed then.
        """
        arrived = decode_all(frames, self._expected)
        self._check([packet for packet, _ in arrived], ranks)
        if self._awaiting is Kind.MESSAGE:
            return self._take_messages(arrived)
        if self._awaiting is Kind.DIAGNOSTIC:
            return self._take_diagnostics(arrived)
        return self._take_residuals(arrived)

    @property
    def due_together(self) -> int:
        """How many frames are due that are better taken at once, with `receive_together`."""
        return 0

    def receive_together(
        self, arrived: Sequence[tuple[Sequence[Buffer], Collection[int]]]
    ) -> list[Instruction] | None:
        """`receive` from several hosts at once. None where they are to be taken one after another;
        nothing has changed then.
        """
        del arrived
        return None

    def _check(self, packets: Sequence[Packet], ranks: Collection[int]) -> None:
        due = self.awaited.intersection(ranks)
        for packet in packets:
            if packet.kind != self._awaiting or packet.round != self.round:
                raise WireError(
                    f"{packet.kind.name} of round {packet.round}: {self._awaiting.name} of round "
                    f"{self.round} was due"
                )
            if packet.rank not in due:
                raise WireError(
                    f"{packet.kind.name} of rank {packet.rank} was not due from this peer"
                )
            due.remove(packet.rank)

    def _enter(self, update: Message | None) -> list[Instruction]:
        """The event of round t, then the broadcast of x^t."""
        if self.setup.due(self.round):
            wall = self._elapsed()
            counted, spent = self.account.counted(), self._spent()
            made_of = len(self._messages) if self.round else None
            self._event = Event(self.instant, wall, self._lag(wall), counted, made_of, spent)
        self._outgoing.prepare(self.round, self.iterate, update, self._messages)
        self._current, self._messages, self._losses = set(self._ranks), {}, {}
        self._ranks = self.participation.called(self.round, self._late)
        self._await(Kind.MESSAGE, self._ranks)
        broadcast = self._to_some() if self.participation.partial else self._to_all()
        # Where nobody is free to take part, nothing will come that the round could wait for.
        return [broadcast] if self._ranks else [broadcast, *self._gathered()]

    def _to_all(self) -> Broadcast:
        message = self._outgoing.common()
        self.account.broadcast(message.size, self._category())
        return Broadcast(message, self._due(message.size.framed))

    def _to_some(self) -> Broadcast:
        """To the ranks of this round: the model, where they don't have the iterate before it."""
        model, update = self._outgoing.model(), self._outgoing.common()
        sizes = {r: (update if r in self._current else model).size for r in self._ranks}
        self.account.broadcast_to(sizes, self._category())
        due = self._due([size.framed for size in sizes.values()])
        return Broadcast(model, due, self._ranks)

    def _due(self, framed: int | list[int]) -> list[float] | None:
        return None if self.emulation is None else self.emulation.broadcast(framed, self._ranks)

    def _category(self) -> Literal["setup", "broadcast"]:
        return "broadcast" if self.round else "setup"

    def copy_for(self, rank: int) -> Encoded:
        """The last broadcast, addressed to one rank alone."""
        behind = self.participation.partial and rank not in self._current
        return self._outgoing.copy(rank, behind)

    def _elapsed(self) -> float:
        """Wall seconds since row 0's event, without the time that diagnostics took."""
        return self.clock() - self._began - self.paused

    def _lag(self, wall: float) -> float | None:
        """How late the real clock is at an event, in seconds."""
        if self.emulation is None or not self.emulation.real:
            return None
        return wall - self.emulation.instant

    def _spent(self) -> dict[str, float | None]:
        """Where the time of the rounds since the last row went."""
        return NOTHING if self.emulation is None else self.emulation.tally.fields()

    def _await(self, kind: Kind, ranks: Sequence[int]) -> None:
        self._awaiting, self.awaited = kind, set(ranks)

    def _take_messages(self, arrived: Sequence[tuple[Packet, Size]]) -> list[Instruction]:
        self._add(arrived)
        if self.emulation is not None:
            now = self._elapsed()
            for packet, size in arrived:
                self.emulation.message(packet.rank, size.framed, packet.compute, now)
        return [] if self.awaited else self._gathered()

    def _add(self, arrived: Sequence[tuple[Packet, Size]]) -> None:
        """Some messages of the round, and what they weigh."""
        uplink = self.setup.traits.uplink
        messages = {
            packet.rank: unpack(packet, uplink, self._shared, self.round) for packet, _ in arrived
        }
        self._messages.update(messages)
        wanted = self.setup.batches is not None
        self._losses.update((p.rank, p.loss) for p, _ in arrived if wanted or math.isinf(p.loss))
        self.awaited.difference_update(messages)
        self.account.messages(arrived)

    def _gathered(self) -> list[Instruction]:
        """All messages at x^t are here; on the network the master goes on at the instant."""
        self.account.close(self.round)
        if self.emulation is not None:
            self._put_off(self.emulation.complete())
        self.attendance.used += len(self._messages)
        self._then = self._complete
        if self._held or not self._ranks:
            return [Hold(self.instant or 0.0)]
        return self.proceed()

    @property
    def _held(self) -> bool:
        """Whether nothing may happen before its emulated instant."""
        return self.emulation is not None and self.emulation.real

    def _put_off(self, delivery: Delivery) -> None:
        """Late messages wait; those that have come since are used now, or not at all."""
        back = {rank: self._late.pop(rank) for rank in delivery.back}
        self._late.update({rank: self._messages.pop(rank) for rank in delivery.late})
        self.attendance.late += len(delivery.late)
        if self.participation.late == "next":
            self._messages.update(back)
        else:
            self.attendance.dropped += len(back)

    def proceed(self) -> list[Instruction]:
        """What was held back until now."""
        return self._then()

    def _complete(self) -> list[Instruction]:
        """All that the round waits for has come: ask for diagnostics, or go on."""
        if not self.setup.due(self.round):
            return [self._lost()] if self._where_lost() else self._advance()
        self._asked, self._answers = self.clock(), {}
        averages = self.setup.averages_statistics(self.round)
        if averages or (self.setup.traits.averages and self.setup.reports(self.round)):
            return [self._collect("diagnostic", averages)]
        # Where not all ranks have been sent x^t, it comes with the question.
        return [self._diagnose(self.iterate.x if self.participation.partial else None)]

    def _diagnose(self, x: torch.Tensor | None, averages: torch.Tensor | None = None) -> Broadcast:
        """Ask all ranks for their diagnostics, at x^t or at another point, and with the
        ``averages`` of what they keep beside it.
        """
        self._await(Kind.DIAGNOSTIC, range(self.setup.workers))
        about: tuple[Payload, ...] = () if x is None else (Dense(x),)
        if averages is not None:
            about = (*about, Shared(self.setup.size, averages))
        question = encode(Packet(Kind.DIAGNOSE, self.round, 0, about))
        self.account.question(question.size, "diagnostic")
        return Broadcast(question)

    def _collect(
        self, category: Literal["diagnostic", "finish"], statistics: bool = False
    ) -> Broadcast:
        """Ask all ranks for their residuals, and for what they keep beside x."""
        self._await(Kind.RESIDUAL, range(self.setup.workers))
        self._kept = KeptBack(self.setup.traits.averages, statistics)
        question = encode(Packet(Kind.COLLECT, self.round, 0, (), (True,) * statistics))
        self.account.question(question.size, category)
        if category == "finish" and self.emulation is not None:
            self.emulation.conclude(question.size.framed)
        return Broadcast(question)

    def _take_residuals(self, arrived: Sequence[tuple[Packet, Size]]) -> list[Instruction]:
        for packet, _ in arrived:
            self._kept.check(packet)
        ending = self._ending is not None
        for packet, size in arrived:
            self._kept.take(packet)
            self.awaited.remove(packet.rank)
            if ending:
                self.account.last(packet, size)
                if self.emulation is not None:
                    self.emulation.message(packet.rank, size.framed, 0.0, self._elapsed())
            else:
                self.account.diagnostic(packet.rank, size)
        if self.awaited:
            return []
        if ending:
            return self._over()
        x = self.iterate.x if self.participation.partial else None
        if self.setup.traits.averages:
            x = self._kept.reported(self.iterate.x)
        return [self._diagnose(x, self._kept.averages())]

    def _take_diagnostics(self, arrived: Sequence[tuple[Packet, Size]]) -> list[Instruction]:
        complete = self.setup.complete(self.round)
        tested = self.setup.tests(self.round)
        answers = {packet.rank: Answer.of(packet, complete, tested) for packet, _ in arrived}
        self._answers.update(answers)
        self.awaited.difference_update(answers)
        for packet, size in arrived:
            self.account.diagnostic(packet.rank, size)
        return [] if self.awaited else self._diagnosed()

    def _diagnosed(self) -> list[Instruction]:
        """Row t, and what follows from it."""
        paused = self.clock() - self._asked
        self.paused += paused
        counted = self.account.counted() if self.setup.traits.starts else self._event.counted
        observed = self.state.observed(self._messages, self.setup.step(self.round))
        found = Found(self._losses, observed, self._sums(), paused)
        made = row(self.setup, self.round, self._event, counted, found, self.f_star)
        if self._diverged(made):
            return [*self._by_rank(), Record(made), self._lost()]
        met = self.limits.met(made)
        if met is None and self.round < self.setup.rounds:
            return [*self._advance(), Record(made)]
        self._ending = Finish("done", met)
        last = self._collect("finish") if self.setup.traits.averages else self._ending
        return [*self._by_rank(), Record(made), last]

    def _sums(self) -> Sums:
        """Of the diagnostics, in rank order."""
        sums = Sums()
        for rank in sorted(self._answers):
            sums.add(self._answers[rank])
        return sums

    def _diverged(self, made: Row) -> bool:
        """Whether f, ∇f or, in rows without them, x or a minibatch's loss is not finite."""
        if self.setup.complete(self.round):
            return made["loss"] is None or made["grad_norm_sq"] is None
        finite = all(map(math.isfinite, self._losses.values()))
        return not (finite and vectors.finite(self.iterate.x))

    def _where_lost(self) -> list[int]:
        """The ranks that say that a loss is not finite."""
        return [rank for rank in sorted(self._losses) if math.isinf(self._losses[rank])]

    def _lost(self) -> Finish:
        """The run has diverged; where, if a loss says so."""
        ranks = self._where_lost()
        if not ranks:
            lost = f"f or its gradient is not finite in round {self.round}"
            return Finish("diverged", reason=lost)
        return Finish(
            "diverged", reason=f"the loss of rank {ranks[0]} is not finite in round {self.round}"
        )

    def _over(self) -> list[Instruction]:
        """All residuals are here after the last round: x becomes the model reported."""
        assert self._ending is not None
        self.iterate.x = self._kept.reported(self.iterate.x)
        if self.emulation is None:
            return [self._ending]
        self.emulation.concluded()
        instant, self._then = self.emulation.instant, list
        ended = Finish(self._ending.status, self._ending.stopped_by, instant)
        return [Hold(instant), ended] if self._held else [ended]

    def _advance(self) -> list[Instruction]:
        """From the messages at x^t to the broadcast of x^{t+1}. What is recorded of round t comes
        after it: the workers compute while that is written.
        """
        began = self.stopwatch()
        step = self.setup.step(self.round)
        update = self.state.aggregate(self._messages, step)
        if self._down is not None:
            update = self.state.compress(update, step, self._down.at(step))
        self.iterate.advance(update, step)
        if self.emulation is not None:
            self.emulation.work(self.stopwatch() - began)
        self._then = partial(self._next_round, update)
        # What the master's own work costs by the config may be more than it took just now.
        return [Hold(self.instant or 0.0)] if self._held else self.proceed()

    def _next_round(self, update: Message) -> list[Instruction]:
        ended = self._by_rank()
        self.round += 1
        return [*self._enter(update), *ended]

    def _by_rank(self) -> list[Record]:
        """Where the time of round t went, rank by rank, if that is asked for."""
        if self.emulation is None or not self.emulation.by_rank:
            return []
        return [Record(self.emulation.times)]
