"""The master's event loop: lobby, rounds, goodbye, audit."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from psim.errors import AuditError, PeerError, RoundTimeout, WireError
from psim.experiment import Experiment, master
from psim.nodes.instructions import Broadcast, Finish, Hold, Instruction, Record
from psim.nodes.lobby import Guest, Lobby, complaint, refusal
from psim.nodes.master import Master
from psim.nodes.observer import Observer
from psim.nodes.outcome import Outcome
from psim.runtime import connection, stopwatch, tcpinfo
from psim.runtime.garbage import left_alone
from psim.runtime.hub import Arrived, Hub
from psim.runtime.line import GLANCE
from psim.runtime.pacer import Pacer
from psim.runtime.pulse import Pulse
from psim.runtime.realtime import RealClock
from psim.threads import single_threaded
from psim.wire.decode import decode_control, kind_of
from psim.wire.encode import Encoded, encode_control
from psim.wire.layout import Buffer
from psim.wire.messages import VECTOR_KINDS, Control, Kind


def largest_frame(size: int) -> int:
    """Bytes of the largest frame of a run with vectors of ``size`` entries."""
    return 8 * size + 65_536


class Server:
    """One run at the master. ``watch`` is called while nothing comes, and raises PeerError where a
    local worker process has ended. ``pulse`` says what the master is at.
    """

    def __init__(
        self,
        experiment: Experiment,
        hub: Hub,
        observer: Observer,
        watch: Callable[[], None] = lambda: None,
        pulse: Pulse | None = None,
    ) -> None:
        self.experiment, self.hub, self.observer, self.watch = experiment, hub, observer, watch
        self.pulse = Pulse() if pulse is None else pulse
        config = experiment.config
        self.deadlines = config.deadlines
        terms = {
            "config": experiment.told.document(),
            "step_size": experiment.setup.step_size,
            "size": experiment.setup.size,
            "fingerprint": experiment.problem.fingerprint,
        }
        self.lobby = Lobby(config.workers, terms)  # type: ignore[arg-type]
        self.finish: Finish | None = None
        self.real: RealClock | None = None
        self._lost: PeerError | None = None
        self._next_look = 0.0
        self._strangers: set[bytes] = set()
        self.memory: dict[str, dict[str, int]] = {}
        """Bytes of each worker host: once its data were loaded, and at most in the rounds."""
        self._refused = ""

    def run(self) -> Outcome:
        """From the first hello to the last audit. However it ends, the workers are told."""
        try:
            with single_threaded():
                self._join()
                watch = stopwatch.needed(self.experiment.config)
                node = master(self.experiment, time.perf_counter, watch)
                self.observer.started()
                with left_alone():
                    self._rounds(node)
                audit, reason = self._part()
        except BaseException as error:
            self._call_off(error)
            raise
        assert self.finish is not None
        lag = (
            None if node.emulation is None else node.emulation.lags.summary(node.emulation.instant)
        )
        x, account, attendance = node.iterate.x, node.account, node.attendance
        return Outcome(self.finish, x, account, audit, reason, attendance, lag, self.memory)

    # Joining

    def _join(self) -> None:
        until = time.monotonic() + self.deadlines.join
        while not self.lobby.complete:
            left = until - time.monotonic()
            if left <= 0:
                raise RoundTimeout(
                    f"{self.lobby.awaited()} within {self.deadlines.join:g} s{self._refused}: "
                    f"start the others with psim worker --connect {self.hub.address}, or raise "
                    "deadlines.join"
                )
            self.pulse.doing = f"waiting: {self.lobby.awaited()}"
            arrived = self._next(min(left, GLANCE))
            if arrived is not None:
                self._welcome(*arrived)

    def _welcome(self, peer: bytes, frames: list[Buffer]) -> None:
        try:
            answer = self.lobby.receive(peer, decode_control(frames))
        except WireError as error:
            if peer in self.lobby.guests:
                self._expel(peer, error)
            answer = refusal(f"this master can't make sense of that: {error}")
        if answer is not None:
            self._reply(peer, answer)

    def _reply(self, peer: bytes, answer: Control) -> None:
        if answer.kind is Kind.REFUSE:
            self._refused = f" (a peer was refused: {answer.fields['reason']})"
            self.observer.log(f"refused a peer: {answer.fields['reason']}")
        try:
            self.hub.send(peer, encode_control(answer))
        except PeerError:
            self.observer.log("a peer left before it was answered")

    # Rounds

    def _rounds(self, node: Master) -> None:
        guests = self.lobby.guests.items()
        self._hosts = {rank: peer for peer, guest in guests for rank in guest.ranks}
        begun = node.begin()
        if self.experiment.config.network.clock == "real":
            self.real = self._real_clock(node)
        self._perform(node, begun)
        until = time.monotonic() + self.deadlines.silence
        while self.finish is None:
            arrived = self._next(GLANCE)
            if arrived is not None and self._take_all(node, arrived):
                until = time.monotonic() + self.deadlines.silence
            elif time.monotonic() > until:
                self._give_up(node)

    def _real_clock(self, node: Master) -> RealClock:
        """Instant 0 is now; while it waits, messages are taken as they come."""

        def listen(seconds: float) -> None:
            arrived = self._next(min(seconds, GLANCE))
            if arrived is not None:
                self._take(node, *arrived)

        def send(rank: int, message: Encoded) -> None:
            self._tell([self._hosts[rank]], message)

        return RealClock(Pacer(self.experiment.config.network.spin), listen, send)

    def _take_all(self, node: Master, first: Arrived) -> bool:
        """Take a message, and those that come after it where it is better to take them at once:
        whether some are of this run.
        """
        due = 0 if self.real is not None else node.due_together
        if not due:
            return self._take(node, *first)
        arrived, guests = self.hub.with_following(first, due), self.lobby.guests
        if guests.keys() >= {peer for peer, _ in arrived}:
            named = [(frames, guests[peer].ranks) for peer, frames in arrived]
            instructions = node.receive_together(named)
            if instructions is not None:
                self._perform(node, instructions)
                return True
        taken = [self._take(node, *each) for each in arrived]
        return any(taken)

    def _take(self, node: Master, peer: bytes, frames: list[Buffer]) -> bool:
        """Take a message; whether it was one of this run's workers that sent it."""
        guest = self.lobby.guests.get(peer)
        if guest is None:
            self._turn_away(peer, frames)
            return False
        try:
            if len(frames) == 1 and kind_of(frames) not in VECTOR_KINDS:
                self._hear(guest, decode_control(frames))
            instructions = node.receive(frames, guest.ranks)
        except WireError as error:
            self._expel(peer, error)
        self._perform(node, instructions)
        return True

    def _perform(self, node: Master, instructions: list[Instruction]) -> None:
        pending = deque(instructions)
        while pending:
            instruction = pending.popleft()
            match instruction:
                case Broadcast():
                    self.pulse.doing = f"round {node.round}"
                    self._send_out(node, instruction)
                    self.observer.round(node.round, node.instant)
                case Hold(until):
                    if self.real is not None:
                        self.real.wait(node, until)
                    pending.extendleft(reversed(node.proceed()))
                case Record(entry):
                    self.observer.recorded(entry)
                case Finish():
                    self.finish = instruction

    def _send_out(self, node: Master, broadcast: Broadcast) -> None:
        if self.real is not None and broadcast.due is not None:
            ranks = range(len(broadcast.due)) if broadcast.ranks is None else broadcast.ranks
            self.real.deliver(node, ranks, broadcast.due)
        elif broadcast.ranks is None:
            self._tell_all(broadcast.message)
        else:
            for rank in broadcast.ranks:
                self._tell([self._hosts[rank]], node.copy_for(rank))

    def _tell_all(self, message: Encoded) -> None:
        self._tell(list(self.lobby.guests), message)

    def _tell(self, peers: list[bytes], message: Encoded) -> None:
        for peer in self.hub.send_all(peers, message):
            self._lost = self._lost or _departed(self.lobby.guests[peer])

    def _hear(self, guest: Guest, message: Control) -> NoReturn:
        """A worker's word that is no vector message: there is none that a run goes on after."""
        if message.kind is Kind.FAILED:
            raise complaint(guest.description, message.fields)
        raise WireError(f"{message.kind.name} in the middle of a run")

    def _turn_away(self, peer: bytes, frames: list[Buffer]) -> None:
        """A stranger: a worker too many, or nothing of ours. It is told once."""
        if peer in self._strangers:
            return
        self._strangers.add(peer)
        try:
            kind = decode_control(frames).kind.name
        except WireError as error:
            kind = str(error)
        self._reply(peer, refusal(f"this run has all its workers ({kind})"))

    def _expel(self, peer: bytes, error: WireError) -> NoReturn:
        """A worker that breaks the protocol ends the run: no other can take its place."""
        who = self.lobby.guests[peer].description
        raise PeerError(f"{who} broke the protocol: {error}") from None

    def _next(self, timeout: float) -> Arrived | None:
        """The next message within ``timeout`` seconds; now and then a look at who is there."""
        self.pulse.turn()
        arrived = self.hub.receive(timeout)
        if arrived is None or time.monotonic() >= self._next_look:
            self._look_around()
            self._next_look = time.monotonic() + GLANCE
        return arrived

    def _look_around(self) -> None:
        """Is everybody still there? Who is gone is named at the look after that: its last words,
        which may be on their way, say more.
        """
        found = self._missing()
        if self._lost is not None:
            raise found or self._lost
        self._lost = found

    def _missing(self) -> PeerError | None:
        gone = [peer for peer in self.hub.departures() if peer in self.lobby.guests]
        try:
            self.watch()
        except PeerError as error:
            return error
        return _departed(self.lobby.guests[gone[0]]) if gone else None

    def _give_up(self, node: Master) -> NoReturn:
        ranks = sorted(node.awaited)
        raise RoundTimeout(
            f"round {node.round}: nothing came from ranks {ranks[:20]} for "
            f"{self.deadlines.silence:g} s: raise deadlines.silence if they need longer"
        )

    # The end

    def _part(self) -> tuple[dict[str, object] | None, str | None]:
        """Say goodbye, hear every worker's, read the kernel's counters while both queues are
        empty, and only then let go. Raises AuditError where they differ from what was counted.
        """
        assert self.finish is not None
        goodbye = Control(Kind.GOODBYE, {"status": self.finish.status})
        waiting = set(self.lobby.guests)
        self._tell_all(encode_control(goodbye))
        until = time.monotonic() + self.deadlines.silence
        while waiting:
            arrived = self._next(GLANCE)
            if arrived is not None and arrived[0] in waiting:
                self._bye(*arrived)
                waiting.remove(arrived[0])
            elif time.monotonic() > until:
                names = ", ".join(self.lobby.guests[peer].description for peer in waiting)
                raise RoundTimeout(
                    f"no goodbye came for {self.deadlines.silence:g} s from {names[:200]}: are "
                    "they still there?"
                )
        audit = self._audit()
        self.hub.send_all(list(self.lobby.guests), encode_control(Control(Kind.CLOSE)))
        return audit

    def _bye(self, peer: bytes, frames: list[Buffer]) -> None:
        """A worker's answer to the goodbye."""
        try:
            message = decode_control(frames)
            guest = self.lobby.guests[peer]
            if message.kind is not Kind.BYE:
                self._hear(guest, message)
            self.memory[guest.description] = {
                key: value
                for key in ("loaded", "peak")
                if type(value := message.fields.get(key)) is int and value > 0
            }
        except WireError as error:
            self._expel(peer, error)

    def _audit(self) -> tuple[dict[str, object] | None, str | None]:
        reason = tcpinfo.unavailable()
        if reason is not None:
            return None, reason
        audits = {
            guest.description: self.hub.connections[peer].audit()
            for peer, guest in self.lobby.guests.items()
        }
        return connection.summary(audits), None

    def _call_off(self, error: BaseException) -> None:
        """Tell every worker that the run is over, and why."""
        interrupted = isinstance(error, KeyboardInterrupt)
        status, reason = (
            ("interrupted", "it was interrupted") if interrupted else ("failed", str(error))
        )
        goodbye = encode_control(Control(Kind.GOODBYE, {"status": status, "reason": reason[:2000]}))
        for peer in self.lobby.guests:
            try:
                self.hub.send(peer, goodbye)
            except PeerError:
                continue


def _departed(guest: Guest) -> PeerError:
    return PeerError(f"{guest.description} went away: its connection ended")


def check_audit(audit: dict[str, object] | None) -> None:
    """Raise AuditError where the kernel carried other bytes than were counted."""
    if audit is not None and audit["difference"]:
        raise AuditError(
            f"{audit['counted']} B were counted and the kernel carried {audit['kernel']} B: "
            "the byte counts of this run are not to be trusted (summary.json has each connection)"
        )
