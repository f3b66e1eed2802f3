"""A worker host's socket: one DEALER to the master, every byte counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

import zmq

from psim.errors import ConfigError, Departed, RoundTimeout
from psim.runtime.connection import Connection
from psim.runtime.frames import (
    GOODBYE_LINGER,
    UNCOPIED,
    check_tcp,
    context,
    keep_alive,
    outgoing,
    receive,
    send,
)
from psim.runtime.monitor import Monitor
from psim.runtime.pulse import Pulse
from psim.wire.encode import Encoded
from psim.wire.layout import Buffer, Frames
from psim.wire.size import framed_all

GLANCE = 0.2
"""Seconds between looks at whether the connection still stands, while nothing comes."""

RETRY = 2 * GLANCE
"""Seconds, at least, before ZeroMQ connects again: a connection that ended is noticed before, so
that nothing said to one master reaches the next.
"""

EVENTS = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


class Line:
    """The connection to one master. ZeroMQ goes on trying to connect until `wait_connected`'s
    deadline, so that workers may be started before their master. ``pulse`` is told of every look.
    """

    def __init__(self, address: str, pulse: Pulse | None = None) -> None:
        check_tcp("--connect", address)
        self.address = address
        self._pulse = Pulse() if pulse is None else pulse
        self._context = context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, round(1000 * RETRY))
        keep_alive(self._socket)
        self._monitor = Monitor(self._socket, EVENTS)
        self.connection = Connection()
        self.uncopied = False
        self._timeout = -1.0
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(
                f"--connect {address}: {error}: write it like tcp://127.0.0.1:5555"
            ) from None

    def wait_connected(self, deadline: float, since: float | None = None) -> None:
        """Until a master answers, ``deadline`` seconds at most from the instant ``since`` on
        (monotonic; by default now). One that is just leaving may take a connection, but doesn't
        shake hands.
        """
        until = (time.monotonic() if since is None else since) + deadline
        while (left := until - time.monotonic()) > 0:
            self._pulse.turn()
            for event, descriptor in self._monitor.poll(min(left, GLANCE)):
                if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                    return
                self.connection.close()
                if event == zmq.EVENT_CONNECTED:
                    with contextlib.suppress(OSError):  # gone again
                        self.connection = Connection.behind(descriptor)
        raise RoundTimeout(f"no master answered at {self.address} for {deadline:g} s: is it there?")

    def receive(self, deadline: float, awaited: str) -> list[Buffer]:
        """The next message. Raises Departed as soon as the master is gone, RoundTimeout after
        ``deadline`` seconds without a word.
        """
        self._pulse.turn()
        glance = min(deadline, GLANCE)
        if glance != self._timeout:
            self._wait_for(glance)
        try:
            frames = receive(self._socket)
        except zmq.Again:
            frames = self._later(deadline, awaited)
        found = [frame.buffer if self.uncopied else frame.bytes for frame in frames]
        self.connection.received += framed_all(found)
        return found

    def _later(self, deadline: float, awaited: str) -> list[zmq.Frame]:
        """The next message, which is not there after a first look."""
        until = time.monotonic() + deadline - self._timeout
        while (left := until - time.monotonic()) > 0:
            if any(event == zmq.EVENT_DISCONNECTED for event, _ in self._monitor.poll()):
                raise Departed(f"the master at {self.address} went away") from None
            self._pulse.turn()
            self._wait_for(min(left, GLANCE))
            try:
                return receive(self._socket)
            except zmq.Again:
                continue
        raise RoundTimeout(f"{awaited} did not come from {self.address} for {deadline:g} s")

    def send(self, message: Encoded) -> None:
        """Hand a message over."""
        self._send(message.all())

    def send_each(self, messages: Iterable[Encoded]) -> None:
        """Hand messages over: large ones as they are made, small ones as one when all are made, so
        that the master, which may share this machine's cores, is woken once and not for each.
        """
        small: Frames = []
        for message in messages:
            if message.size.payload < UNCOPIED:
                small += message.all()
            else:
                self.send(message)
        if small:
            self._send(small)

    def _send(self, frames: Frames) -> None:
        send(self._socket, outgoing(frames))
        self.connection.sent += framed_all(frames)

    def close(self, linger: int = 0) -> None:
        """End the connection; ``linger`` ms for what is still queued."""
        self._monitor.close()
        self._socket.close(linger=linger)
        self._context.term()
        self.connection.close()

    def close_after_goodbye(self) -> None:
        """Close once the last words are with the kernel."""
        self.close(GOODBYE_LINGER)

    def _wait_for(self, seconds: float) -> None:
        """How long the next look may take. It is mostly as long as the one before: setting an
        option costs as much as receiving a message.
        """
        self._socket.rcvtimeo, self._timeout = max(1, round(1000 * seconds)), seconds
