"""The master as a state machine: frames in, instructions out.

Round t: x^t is broadcast, every rank sends its message at x^t, and where a row is due the ranks are
asked for diagnostics with the clock stopped. Then the messages become one update, the iterate
advances, and round t + 1 begins with the *event* whose instant is row t + 1's ``time`` and
``wall``: the master holds all that x^{t+1} needs and is about to broadcast it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from psim.errors import WireError
from psim.methods.base import Message
from psim.nodes.account import Account
from psim.nodes.naming import pack, unpack
from psim.nodes.rows import Answer, Event, Row, row
from psim.vectors import Dense, torch
from psim.wire.decode import decode
from psim.wire.encode import Encoded, encode
from psim.wire.messages import Kind, Packet
from psim.wire.size import Size, measure

if TYPE_CHECKING:
    from psim.nodes.emulation import Emulation
    from psim.nodes.setup import Setup
    from psim.wire.layout import Buffer

Status = Literal["done", "diverged"]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send these frames to every worker host.

    ``due`` are the instants at which each rank would have them: on the real clock a rank is sent a
    `Master.copy_for` it then, and not before. None for what costs no emulated time.
    """

    message: Encoded
    due: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """On the real clock: nothing happens before this instant; then `Master.proceed`."""

    until: float


@dataclass(frozen=True, slots=True)
class Record:
    """Append this row."""

    row: Row


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over. ``stopped_by`` names the stop condition that was met."""

    status: Status
    stopped_by: str | None = None


Instruction = Broadcast | Hold | Record | Finish


@dataclass(frozen=True, slots=True)
class Limits:
    """Conditions that end a run early, looked at where a row is written; None is no limit."""

    grad_norm_sq: float | None = None
    time: float | None = None
    nbytes: float | None = None

    def met(self, made: Row) -> str | None:
        """The name of the first condition that the row meets."""
        elapsed = _number(made["wall"] if made["time"] is None else made["time"])
        spent = _number(made["up_framed"]) + _number(made["down_framed"])
        norm = _number(made["grad_norm_sq"])
        if self.grad_norm_sq is not None and norm <= self.grad_norm_sq:
            return "grad_norm_sq"
        if self.time is not None and elapsed >= self.time:
            return "time"
        return "bytes" if self.nbytes is not None and spent >= self.nbytes else None


def _number(value: float | None) -> float:
    assert value is not None, "a row that is not diverged has this field"
    return value


class Master:
    """All workers' other end.

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
        limits: Limits = Limits(),
    ) -> None:
        self.setup, self.account, self.emulation = setup, account, emulation
        self.clock, self.stopwatch = clock, stopwatch
        self.f_star, self.limits = f_star, limits
        self.iterate = setup.method.iterate(x0.clone())
        self.state = setup.method.master(x0, setup.workers)
        self.round = 0
        self.awaited: set[int] = set()
        """The ranks whose message, or diagnostics, are still to come."""
        self._awaiting = Kind.MESSAGE
        self._messages: dict[int, Message] = {}
        self._answers: dict[int, Answer] = {}
        self._expected = setup.expected()

    @property
    def instant(self) -> float | None:
        """Emulated seconds since row 0's event; None without an emulation."""
        return None if self.emulation is None else self.emulation.instant

    def begin(self) -> list[Instruction]:
        """Round 0, once all workers have joined: x^0 goes out."""
        self.paused, self._began = 0.0, self.clock()
        return [self._enter(None)]

    def receive(self, frames: Sequence[Buffer], ranks: Collection[int]) -> list[Instruction]:
        """Take a message from the host of ``ranks``. Raises WireError where it breaks the protocol;
        nothing has changed then.
        """
        packet, size = decode(frames, self._expected)
        if packet.kind != self._awaiting or packet.round != self.round:
            raise WireError(
                f"{packet.kind.name} of round {packet.round}: {self._awaiting.name} of round "
                f"{self.round} was due"
            )
        if packet.rank not in ranks or packet.rank not in self.awaited:
            raise WireError(f"{packet.kind.name} of rank {packet.rank} was not due from this peer")
        if packet.kind is Kind.MESSAGE:
            return self._message(packet, size, frames)
        return self._diagnostic(packet, size)

    def _enter(self, update: Message | None) -> Broadcast:
        """The event of round t, then the broadcast of x^t."""
        if self.setup.due(self.round):
            wall = self._elapsed()
            self._event = Event(self.instant, wall, self._lag(wall), self.account.counted())
        self._sent = self._outgoing(update)
        message = encode(self._sent)
        self.account.broadcast(message.size, "broadcast" if self.round else "setup")
        self._messages = {}
        self._await(Kind.MESSAGE)
        if self.emulation is None:
            return Broadcast(message)
        return Broadcast(message, self.emulation.broadcast(message.size.framed))

    def copy_for(self, rank: int) -> Encoded:
        """The last broadcast, addressed to one rank alone. Its size is counted as the common one's:
        only beyond rank 126 the address takes a byte or two more.
        """
        return encode(replace(self._sent, rank=rank + 1))

    def _elapsed(self) -> float:
        """Wall seconds since row 0's event, without the time that diagnostics took."""
        return self.clock() - self._began - self.paused

    def _lag(self, wall: float) -> float | None:
        """How late the real clock is at an event, in seconds."""
        if self.emulation is None or not self.emulation.real:
            return None
        return wall - self.emulation.instant

    def _await(self, kind: Kind) -> None:
        self._awaiting, self.awaited = kind, set(range(self.setup.workers))

    def _outgoing(self, update: Message | None) -> Packet:
        """The update that leads to x^t, or x^t densely: rounded for the wire, it is kept so."""
        if update is not None and self.setup.method.downlink == "update":
            return pack(update, self.setup.method.update, Kind.UPDATE, self.round)
        x = self.iterate.x.to(self.setup.dtype(self.setup.model), copy=True)
        if x.dtype != self.iterate.x.dtype:
            self.iterate.x.copy_(x)
        return Packet(Kind.MODEL, self.round, 0, (Dense(x),))

    def _message(self, packet: Packet, size: Size, frames: Sequence[Buffer]) -> list[Instruction]:
        self._messages[packet.rank] = unpack(packet, self.setup.method.uplink)
        self.awaited.remove(packet.rank)
        report = None if packet.compute is None else measure(frames[-1:])
        self.account.message(packet, size, report)
        if self.emulation is not None:
            self.emulation.message(packet.rank, size.framed, packet.compute, self._elapsed())
        return [] if self.awaited else self._gathered()

    def _gathered(self) -> list[Instruction]:
        """All messages at x^t are here; on the network the last one arrives at the instant."""
        self.account.close(self.round)
        if self.emulation is None:
            return self.proceed()
        self.emulation.complete()
        return [Hold(self.emulation.instant)] if self.emulation.real else self.proceed()

    def proceed(self) -> list[Instruction]:
        """All that the round waits for has come: ask for diagnostics, or go on."""
        if not self.setup.due(self.round):
            return [self._advance()]
        self._asked, self._answers = self.clock(), {}
        self._await(Kind.DIAGNOSTIC)
        question = encode(Packet(Kind.DIAGNOSE, self.round))
        self.account.diagnostic(question.size)
        return [Broadcast(question)]

    def _diagnostic(self, packet: Packet, size: Size) -> list[Instruction]:
        self._answers[packet.rank] = Answer.of(packet)
        self.awaited.remove(packet.rank)
        self.account.diagnostic(size, packet.rank)
        return [] if self.awaited else self._diagnosed()

    def _diagnosed(self) -> list[Instruction]:
        """Row t, and what follows from it."""
        paused = self.clock() - self._asked
        self.paused += paused
        counted = self.account.counted() if self.setup.method.starts else self._event.counted
        made = row(
            self.round, self._event, counted.bits, counted.nnz, self._answers, self.f_star, paused
        )
        if made["loss"] is None or made["grad_norm_sq"] is None:
            return [Record(made), Finish("diverged")]
        met = self.limits.met(made)
        if met is not None or self.round == self.setup.rounds:
            return [Record(made), Finish("done", met)]
        return [self._advance(), Record(made)]  # the workers compute while the row is written

    def _advance(self) -> Broadcast:
        """From the messages at x^t to the broadcast of x^{t+1}."""
        began = self.stopwatch()
        step = self.setup.step(self.round)
        update = self.state.aggregate(self._messages, step)
        self.iterate.advance(update, step)
        if self.emulation is not None:
            self.emulation.work(self.stopwatch() - began)
        self.round += 1
        return self._enter(update)
