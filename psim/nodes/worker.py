"""A worker host: one or more ranks that share an iterate, as a state machine.

Frames in, frames out. A broadcast is decoded once and moves the shared iterate once; then every
rank differentiates at it, compresses and sends. What is due to be diagnosed is answered from the
gradients that were computed anyway, where the method differentiates f_i at x.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from psim.errors import WireError
from psim.methods.base import Iterate, Master, Message
from psim.nodes.compression import Compression
from psim.nodes.devices import HOST, to_device, to_host
from psim.nodes.naming import pack, unpack
from psim.nodes.rank import Rank
from psim.nodes.shared import SharedIndices
from psim.vectors import Dense, Shared, torch
from psim.wire.decode import decode_all
from psim.wire.encode import Encoded, encode
from psim.wire.indices import prepare
from psim.wire.messages import Kind, Packet
from psim.wire.models import Models

if TYPE_CHECKING:
    from psim.nodes.setup import Setup
    from psim.problems.base import Share
    from psim.wire.layout import Buffer


class WorkerHost:
    """The ranks of one process. ``stopwatch`` gives seconds; differences of it are reported as what
    a rank's computing took. The iterate and the ranks' states are on ``device``.
    """

    def __init__(
        self,
        setup: Setup,
        shares: Mapping[int, Share],
        stopwatch: Callable[[], float],
        device: torch.device | None = None,
    ) -> None:
        self.setup, self.stopwatch = setup, stopwatch
        self.device = device or torch.device(HOST)
        self.expected = setup.expected()
        self._models = Models(setup.size, setup.dtype(setup.model), setup.rounds)
        self._shared = SharedIndices(setup, setup.compressor)
        self.iterate: Iterate | None = None
        self.master: Master | None = None
        """What aggregates all ranks' messages, where these are what is broadcast."""
        self.ranks: list[Rank] = []
        self.shares = shares
        self.hosted: Collection[int] = shares.keys()
        """The ranks that are here."""
        self.round = -1
        self._beside = not setup.traits.beside.empty
        """Whether anything comes beside x^t."""
        self._unaddressed: set[int] = set()
        prepare(setup.size, setup.indices)

    def receive(self, frames: Sequence[Buffer]) -> Iterator[tuple[int, Encoded]]:
        """Take a broadcast or a question; yields each rank's answer as soon as it is ready.

        Raises WireError for anything that does not follow the protocol.
        """
        passed_on: list[Packet] = []
        packet = self._models.read(frames, self.round + 1)
        if packet is None:
            (packet, _), *others = decode_all(frames, self.expected)
            passed_on = [other for other, _ in others]
            self._check(not passed_on or packet.kind == Kind.GATHERED, packet)
        if packet.kind == Kind.DIAGNOSE:
            yield from self._reported(self._averaged(packet))
            return
        if packet.kind == Kind.COLLECT:
            self._check(packet.round == self.round and bool(self.ranks), packet)
            for rank in self.ranks:
                yield rank.rank, encode(rank.kept_back(packet.round, bool(packet.scalars)))
            return
        if packet.round > self.round:
            self._check(self.setup.participation.partial or not self._unaddressed, packet)
            self._move(packet, passed_on)
            self._begin(packet.round)
        yield from self._messages(self._addressed(packet))

    def _begin(self, round: int) -> None:
        self.round = round
        self._unaddressed = set(self.hosted)
        for rank in self.ranks:
            rank.gradient = None

    def _addressed(self, packet: Packet) -> set[int]:
        """The ranks that a broadcast is for: all, or one at a time, each at its instant or those
        that take part. The first copy has moved the iterate for all.
        """
        wanted = self._unaddressed if packet.rank == 0 else {packet.rank - 1}
        model = packet.kind in (Kind.MODEL, Kind.UPDATE, Kind.GATHERED)
        fits = model and packet.round == self.round and wanted and wanted <= self._unaddressed
        self._check(bool(fits), packet)
        self._unaddressed = self._unaddressed - wanted
        return wanted

    def _messages(self, wanted: set[int]) -> Iterator[tuple[int, Encoded]]:
        """What these ranks send at x^t."""
        for rank in self.ranks:
            if rank.rank in wanted:
                yield rank.rank, encode(self._message(rank), self.setup.indices)

    def _reported(self, question: Packet) -> Iterator[tuple[int, Encoded]]:
        """All ranks' diagnostics at the point that is asked about."""
        x, round = self._asked_about(question), question.round
        assert self.iterate is not None
        known = x is self.iterate.x and round == self.round
        complete, tested = self.setup.complete(round), self.setup.tests(round)
        for rank in self.ranks:
            part = self.setup.part(rank.rank, round)
            found = rank.diagnostic(x, round, known, complete, part, tested)
            yield rank.rank, encode(found)

    def _check(self, fits: bool, packet: Packet) -> None:
        if not fits:
            raise WireError(f"{packet.kind.name} of round {packet.round} in round {self.round}")

    def _move(self, packet: Packet, passed_on: list[Packet]) -> None:
        """Bring the iterate to x^t: as sent, or by advancing it. Rounds are left out only where
        not all ranks take part, and then x^t is sent.
        """
        next_one, before = packet.round == self.round + 1, packet.round - 1
        if packet.kind == Kind.MODEL and packet.payloads:
            self._check(next_one or self.setup.participation.partial, packet)
            self._take(packet)
            return
        self._check(next_one and self.iterate is not None, packet)
        assert self.iterate is not None
        if packet.kind == Kind.UPDATE:
            update = unpack(packet, self.setup.traits.update, self._shared, before)
        else:
            self._check(packet.kind == Kind.GATHERED and self.master is not None, packet)
            update = self._aggregated(packet, passed_on)
        update = to_device(update, self.device)
        self.iterate.advance(update, self.setup.step(before))
        self._tell(update, before)

    def _take(self, packet: Packet) -> None:
        """x^t as it is sent, and what comes beside it from round 1 on."""
        model, *others = packet.payloads
        self._check(isinstance(model, Dense), packet)
        beside = None
        if packet.round and self.iterate is not None and self._beside:
            rest = replace(packet, payloads=tuple(others))
            beside = unpack(rest, self.setup.traits.beside, self._shared, packet.round - 1)
        else:
            self._check(not others and not packet.scalars, packet)
        x = model.values.to(self.device, self.setup.dtype("native"))
        if self.iterate is None:
            self._start(x)
        else:
            self.iterate.x = x
        if beside is not None:
            self._tell(to_device(beside, self.device), packet.round - 1)

    def _aggregated(self, lead: Packet, passed_on: list[Packet]) -> Message:
        """The update that the master makes of the same messages."""
        assert self.master is not None
        messages, before = {}, lead.round - 1
        for packet in passed_on:
            fits = packet.kind == Kind.PASSED_ON and packet.round == lead.round
            self._check(fits and packet.rank not in messages, packet)
            self._check(packet.rank < self.setup.workers, packet)
            uplink = self.setup.traits.uplink
            messages[packet.rank] = unpack(packet, uplink, self._shared, before)
        whole = self.setup.participation.partial or len(messages) == self.setup.workers
        self._check(whole, lead)
        return self.master.aggregate(messages, self.setup.step(before))

    def _tell(self, update: Message, before: int) -> None:
        """Hand the ranks what comes beside x^t, where the method has anything there."""
        beside = self.setup.traits.beside
        if not self._beside:
            return
        payloads = {key: value for key, value in update.payloads.items() if key in beside.payloads}
        scalars = {key: update.scalars[key] for key in beside.scalars}
        message = Message(payloads, scalars, update.by_layer if beside.by_layer else ())
        for rank in self.ranks:
            rank.state.receive(message, self.setup.step(before, rank.rank))

    def _start(self, x0: torch.Tensor) -> None:
        setup = self.setup
        self.iterate = setup.iterate(x0)
        if setup.method.downlink == "gather":
            self.master = setup.method.master(x0.to(HOST), setup.workers)
        values = setup.dtype(setup.values)
        for rank, share in sorted(self.shares.items()):
            state = setup.method.worker(x0)
            compression = Compression(setup.compressor, values, setup.others)
            self.ranks.append(Rank(rank, share, state, compression))

    @np.errstate(all="ignore")  # a run that diverges overflows; its row says so
    def _message(self, rank: Rank) -> Packet:
        """Differentiate, compress and pack, timed."""
        assert self.iterate is not None
        setup, due = self.setup, self.setup.due(self.round)
        step = setup.step(self.round, rank.rank)
        rank.look()
        began = self.stopwatch()
        rank.differentiate(self.iterate.x, step, setup.batches, due)
        if due and setup.traits.averages:
            paused = self.stopwatch()
            rank.keep_residual()
            began += self.stopwatch() - paused
        message = to_host(rank.message(step))
        compute = self.stopwatch() - began
        uplink = setup.traits.uplink
        return pack(message, uplink, Kind.MESSAGE, self.round, rank.rank, compute, rank.loss)

    def _averaged(self, packet: Packet) -> Packet:
        """A question without the averages that came with it, which the ranks now have."""
        if not self.setup.averages_statistics(packet.round):
            return packet
        *others, averages = packet.payloads or (Dense(torch.empty(0)),)
        self._check(isinstance(averages, Shared), packet)
        for rank in self.ranks:
            rank.take_statistics(averages.values)
        return replace(packet, payloads=tuple(others))

    def _asked_about(self, packet: Packet) -> torch.Tensor:
        """The point to be diagnosed: x^t, or what comes with the question, where not all ranks have
        been sent x^t or the model reported is another.
        """
        elsewhere = self.setup.traits.averages and self.setup.reports(packet.round)
        if not (self.setup.participation.partial or elsewhere):
            self._check(packet.round == self.round and not packet.payloads, packet)
            assert self.iterate is not None
            return self.iterate.x
        self._check(len(packet.payloads) == 1 and isinstance(packet.payloads[0], Dense), packet)
        x = packet.payloads[0].values.to(self.device)
        if self.iterate is None:
            self._start(x.clone())
        return x
