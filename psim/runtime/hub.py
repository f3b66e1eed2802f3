"""The master's socket: one ROUTER, all worker hosts, every byte counted."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence

import zmq

from psim.errors import ConfigError, PeerError
from psim.runtime.connection import Connection
from psim.runtime.frames import (
    GOODBYE_LINGER,
    check_tcp,
    context,
    keep_alive,
    outgoing,
    receive,
    send,
)
from psim.runtime.monitor import Monitor
from psim.wire.encode import Encoded
from psim.wire.layout import LARGEST_CONTROL, Buffer
from psim.wire.size import framed_all

Arrived = tuple[bytes, list[Buffer]]
"""Whose a message is, and its frames."""

_NOBLOCK = int(zmq.NOBLOCK)
_COPYING = 2
"""Threads that copy long frames: by itself one would be what all hosts wait for."""


class Hub:
    """Frames to and from peers, which ZeroMQ's identities name.

    ``largest`` bounds the frames that peers may send, in bytes: whoever sends a larger one is
    disconnected.
    """

    def __init__(self, address: str, largest: int = LARGEST_CONTROL) -> None:
        check_tcp("--bind", address)
        self._uncopied = largest > LARGEST_CONTROL
        self._context = context(_COPYING if self._uncopied else 1)
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, max(largest, LARGEST_CONTROL))
        self._socket.setsockopt(zmq.LINGER, 0)
        keep_alive(self._socket)
        self._monitor = Monitor(self._socket, zmq.EVENT_DISCONNECTED)
        self._peers: dict[int, bytes] = {}
        self._gone: list[bytes] = []
        self._timeout = -1.0
        self.connections: dict[bytes, Connection] = {}
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(_why(address, error)) from None
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def receive(self, timeout: float) -> Arrived | None:
        """The next message and whose it is; None when nothing comes for ``timeout`` seconds."""
        if timeout != self._timeout:
            self._socket.rcvtimeo, self._timeout = max(1, round(1000 * timeout)), timeout
        return self._taken(0)

    def with_following(self, first: Arrived, count: int) -> list[Arrived]:
        """A message, and those after it, until they have ``count`` frames in all. Fewer where one
        of them is a single frame, or where that takes as long as `receive` may: who waits for
        messages has others to look after.
        """
        found, count = [first], count - len(first[1])
        until = time.monotonic() + self._timeout
        while count > 0 and len(found[-1][1]) > 1 and time.monotonic() < until:
            arrived = self._taken(0)
            if arrived is None:
                break
            found.append(arrived)
            count -= len(arrived[1])
        return found

    def _taken(self, flags: int) -> Arrived | None:
        try:
            identity, *parts = receive(self._socket, flags)
        except zmq.Again:
            return None
        peer = identity.bytes
        if peer not in self.connections:
            self._meet(peer, parts[0])
        frames = [part.buffer if self._uncopied else part.bytes for part in parts]
        self.connections[peer].received += framed_all(frames)
        return peer, frames

    def send(self, peer: bytes, message: Encoded) -> None:
        """Hand a message over. Raises PeerError where the peer is gone."""
        if self.send_all([peer], message):
            raise PeerError("a peer that a message was meant for is gone")

    def send_all(self, peers: Sequence[bytes], message: Encoded) -> list[bytes]:
        """Hand one message to several peers; its large frames are shared, not copied. Returns the
        peers that are gone.
        """
        gone = []
        whole = message.all()
        frames, counted = outgoing(whole), framed_all(whole)
        for peer in peers:
            try:
                send(self._socket, [peer, *frames], _NOBLOCK)
            except zmq.ZMQError:
                gone.append(peer)
            else:
                self.connections[peer].sent += counted
        return gone

    def departures(self) -> list[bytes]:
        """Peers whose connection has ended since the last call."""
        self._notice()
        gone, self._gone = self._gone, []
        return gone

    def close(self, linger: int = 0) -> None:
        """End all connections; ``linger`` ms for what is still queued."""
        self._monitor.close()
        self._socket.close(linger=linger)
        self._context.term()
        for connection in self.connections.values():
            connection.close()

    def close_after_goodbye(self) -> None:
        """Close once the last words are with the kernel."""
        self.close(GOODBYE_LINGER)

    def _notice(self) -> None:
        for _, descriptor in self._monitor.poll():
            peer = self._peers.pop(descriptor, None)
            if peer is not None:
                self.connections[peer].close()
                self._gone.append(peer)

    def _meet(self, peer: bytes, frame: zmq.Frame) -> None:
        """A peer's first frame tells which connection is its."""
        self._notice()  # this connection may have the descriptor of one that has ended
        descriptor = int(frame.get(zmq.SRCFD))
        self.connections[peer] = Connection.behind(descriptor)
        self._peers[descriptor] = peer


def _why(address: str, error: zmq.ZMQError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--bind {address}: the port is in use: end what uses it, or choose another port"
    return f"--bind {address}: cannot be bound ({error}): write it like tcp://127.0.0.1:5555"
