"""A worker host's life: hello, loading, rounds, goodbye."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

from psim import config as configs
from psim.config import Config
from psim.data.opened import HERE, Local
from psim.errors import (
    AuditError,
    DataError,
    Departed,
    PeerError,
    PsimError,
    VersionError,
    WireError,
)
from psim.experiment import Opener
from psim.hosts import host
from psim.kernels import warm
from psim.nodes.lobby import complaint, failure, refusal, span
from psim.nodes.setup import agree
from psim.nodes.worker import WorkerHost
from psim.runtime import memory, stopwatch, tcpinfo
from psim.runtime.garbage import left_alone
from psim.runtime.line import Line
from psim.runtime.pulse import Pulse
from psim.runtime.serve import largest_frame
from psim.threads import single_threaded
from psim.wire.decode import decode_control, kind_of
from psim.wire.encode import encode_control
from psim.wire.layout import LARGEST_CONTROL, Buffer
from psim.wire.messages import PROTOCOL, VECTOR_KINDS, Control, Field, Kind

JOIN = 60.0
"""Seconds that a worker waits for a master: it learns the config's own deadlines only from it."""

LONGEST_HOLD = 86_400.0
"""Seconds for which the real clock may hold a broadcast back; one that is gone is seen anyway."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the master tells a host: its ranks and the run."""

    config: Config
    ranks: range
    size: int
    step_size: float
    fingerprint: str

    @classmethod
    def of(cls, message: Control) -> Terms:
        """From a WELCOME. Raises WireError."""
        fields = message.fields
        document, first, count = (fields.get(key) for key in ("config", "first", "count"))
        size, step_size = fields.get("size"), fields.get("step_size")
        fingerprint = fields.get("fingerprint")
        if not (
            isinstance(document, dict)
            and type(first) is int
            and type(count) is int
            and type(size) is int
            and type(step_size) is float
            and isinstance(fingerprint, str)
        ):
            raise WireError("a welcome that lacks what a worker must know")
        config = configs.parse(document)
        if not 0 <= first < first + count <= config.workers or size < 1:
            raise WireError(f"a welcome to ranks {first} to {first + count - 1}")
        return cls(config, range(first, first + count), size, step_size, fingerprint)


def work(
    address: str,
    count: int = 1,
    join: float = JOIN,
    tell: Callable[[str], None] = lambda _: None,
    local: Local = HERE,
    rejoin: bool = False,
    pulse: Pulse | None = None,
) -> str:
    """Take part in the run of the master at ``address`` with ``count`` ranks, until it ends.

    ``local`` is what this process has of its own: its device. Waits ``join`` seconds for a master;
    with ``rejoin`` for another one too, where one leaves before its run has begun. ``pulse`` says
    what this host is at. Returns the run's status. Raises PeerError where the master is gone,
    refuses, or failed.
    """
    since = time.monotonic()
    pulse = Pulse() if pulse is None else pulse
    with single_threaded():
        while True:
            pulse.doing = f"waiting for a master at {address}"
            visit = Visit(Line(address, pulse), local, pulse)
            try:
                visit.line.wait_connected(join, since)
                status = visit.take_part(count, join, tell)
            except Departed as gone:
                visit.line.close()
                if visit.begun or not rejoin:
                    raise
                tell(f"{gone} before the run began: waiting for a master there")
                since = time.monotonic() if visit.welcomed else since
            except BaseException as error:
                _complain(visit.line, error)
                raise
            else:
                visit.line.close_after_goodbye()
                return status


@dataclass(slots=True)
class Visit:
    """A host's time with one master, and how far it came: ``begun`` with the first broadcast."""

    line: Line
    local: Local
    pulse: Pulse
    welcomed: bool = False
    begun: bool = False

    def take_part(self, count: int, join: float, tell: Callable[[str], None]) -> str:
        """From the hello to the goodbye; the run's status."""
        terms = _join(self.line, count, join)
        self.welcomed = True
        who = f"{span(terms.ranks)} of {terms.config.workers}"
        tell(f"joined {self.line.address} as {who}")
        self.pulse.doing = f"loading the data of {who}"
        node = _load(terms, self.local)
        self.line.uncopied = largest_frame(terms.size) > LARGEST_CONTROL
        self.line.send(encode_control(Control(Kind.READY)))
        self.pulse.doing = f"ready as {who}"
        with left_alone():
            return self._rounds(terms.config, node, f"taking part as {who}")

    def _rounds(self, config: Config, node: WorkerHost, doing: str) -> str:
        memory.forget_peak()
        loaded = memory.resident()
        deadlines = config.deadlines
        # The master may wait for others as long as its deadlines allow before it has a word for us.
        patience = deadlines.join + deadlines.silence
        while True:
            frames = self.line.receive(patience, "a broadcast")
            if kind_of(frames) not in VECTOR_KINDS:
                held: dict[str, Field] = {"loaded": loaded, "peak": memory.peak()}
                return _part(self.line, decode_control(frames), deadlines.silence, held)
            self.begun, self.pulse.doing = True, doing
            self.line.send_each(answer for _, answer in node.receive(frames))
            patience = 2 * deadlines.silence
            if config.network.clock == "real" or config.participation.kind != "all":
                patience += LONGEST_HOLD


def _join(line: Line, count: int, join: float) -> Terms:
    fields: dict[str, Field] = {
        "protocol": PROTOCOL,
        "count": count,
        "host": platform.node(),
        "pid": os.getpid(),
    }
    line.send(encode_control(Control(Kind.HELLO, fields)))
    frames = line.receive(join, "an answer to the hello")
    try:
        answer = decode_control(frames)
    except VersionError as error:
        raise PeerError(f"the master at {line.address} speaks {error}", error.exit_code) from None
    _check_there(line, answer)
    if answer.kind in (Kind.REFUSE, Kind.GOODBYE):
        raise complaint(f"the master at {line.address} refused", answer.fields)
    if answer.kind is not Kind.WELCOME:
        raise WireError(f"{answer.kind.name} in answer to a hello")
    return Terms.of(answer)


def _check_there(line: Line, message: Control) -> None:
    """Raise Departed where the master says that it was interrupted."""
    if message.kind is Kind.GOODBYE and message.fields.get("status") == "interrupted":
        raise Departed(f"the master at {line.address} was interrupted")


def _load(terms: Terms, local: Local) -> WorkerHost:
    """Open this machine's own copy of the data, and check that it is the master's."""
    problem = Opener(local).open(terms.config)
    if problem.fingerprint != terms.fingerprint or problem.size != terms.size:
        raise DataError(
            f"this machine's copy of the data differs from the master's: its fingerprint is "
            f"{problem.fingerprint[:16]} and the master's {terms.fingerprint[:16]}: "
            "give all machines the same file"
        )
    warm.prepare(problem.size)
    setup = agree(terms.config, problem, terms.step_size)
    watch = stopwatch.needed(terms.config, problem.device)
    node = host(setup, problem, terms.ranks, watch, stopwatch.read(terms.config))
    problem.let_go()
    return node


def _part(line: Line, message: Control, deadline: float, held: dict[str, Field]) -> str:
    """Answer the goodbye, with what memory the process ``held``, and hold this side's counters
    against the kernel's.
    """
    if message.kind is not Kind.GOODBYE:
        raise WireError(f"{message.kind.name} in the middle of a run")
    _check_there(line, message)
    status = str(message.fields.get("status"))
    if status == "failed":
        raise PeerError(f"the run failed: {message.fields.get('reason')}")
    line.send(encode_control(Control(Kind.BYE, held)))
    frames: list[Buffer] = line.receive(deadline, "the end")
    if decode_control(frames).kind is not Kind.CLOSE:
        raise WireError("something else than the end after a goodbye")
    if tcpinfo.unavailable() is None and (audit := line.connection.audit()).difference:
        raise AuditError(f"the bytes counted differ from the kernel's: {audit}")
    return status


def _complain(line: Line, error: BaseException) -> None:
    """Tell the master why this host can't go on, where it is not the master who ended things."""
    if isinstance(error, DataError):
        line.send(encode_control(refusal(str(error))))
    elif not isinstance(error, PeerError | KeyboardInterrupt):
        code = error.exit_code if isinstance(error, PsimError) else 1
        reason = str(error) if isinstance(error, PsimError) else f"{type(error).__name__}: {error}"
        line.send(encode_control(failure(reason, code)))
    line.close_after_goodbye()
