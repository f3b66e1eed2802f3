"""How frames are handed to ZeroMQ."""

from __future__ import annotations

from collections.abc import Sequence

import zmq

from psim.errors import ConfigError
from psim.wire.layout import Buffer

UNCOPIED = 1 << 16
"""Bytes from which a buffer is sent without a copy; below, copying is cheaper."""
EXAMPLE = "tcp://127.0.0.1:5555"
GOODBYE_LINGER = 1_000
"""Milliseconds that a closing socket takes to hand over its last words."""

KEEPALIVE = {
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 20,
    zmq.TCP_KEEPALIVE_INTVL: 10,
    zmq.TCP_KEEPALIVE_CNT: 4,
}
"""TCP's own: a peer whose machine is gone is noticed after 60 s of silence, and the address
translation on the way (NAT) forgets no connection that idles. Probes carry no bytes of the
connection (RFC 9293, 3.8.4), so there is nothing to count.
"""

_MORE = int(zmq.SNDMORE)
_send = zmq.backend.Socket.send


def outgoing(frames: Sequence[Buffer]) -> Sequence[Buffer | zmq.Frame]:
    """The frames with large ones made shareable: any number of sends take no copy of them."""
    if max(map(len, frames)) < UNCOPIED:
        return frames
    return [
        zmq.Frame(frame, track=False, copy=False) if len(frame) >= UNCOPIED else frame
        for frame in frames
    ]


def send(socket: zmq.Socket[bytes], frames: Sequence[Buffer | zmq.Frame], flags: int = 0) -> None:
    """Hand frames over as one message. pyzmq's own loop makes an enum member for each of them, and
    its ``send`` asks for options that are not used here, which takes longer than sending it.
    """
    more = _MORE | flags
    for frame in frames[:-1]:
        _send(socket, frame, more)
    _send(socket, frames[-1], flags)


def receive(socket: zmq.Socket[bytes], flags: int = 0) -> list[zmq.Frame]:
    """The frames of the next message, uncopied. Raises zmq.Again where none comes in time."""
    frame = socket.recv(flags, copy=False)
    frames = [frame]
    while frame.more:
        frame = socket.recv(copy=False)
        frames.append(frame)
    return frames


def check_tcp(option: str, address: str) -> None:
    """Raise ConfigError where the address is of another transport: nothing would be counted."""
    if not address.startswith("tcp://"):
        raise ConfigError(f"{option} {address}: is no TCP address: write it like {EXAMPLE}")


def keep_alive(socket: zmq.Socket[bytes]) -> None:
    """Have the kernel probe connections that idle; before they are made."""
    for option, value in KEEPALIVE.items():
        socket.setsockopt(option, value)


def context(threads: int = 1) -> zmq.Context[zmq.Socket[bytes]]:
    """A context of one's own: it ends with what uses it. Its ``threads`` share the connections
    among them; a message is copied to or from the kernel by one.
    """
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context(threads)
    return made
