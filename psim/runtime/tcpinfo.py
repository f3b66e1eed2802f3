"""The kernel's own byte counters of a TCP connection (Linux, TCP_INFO).

``bytes_sent - bytes_retrans`` is what was sent once, and ``bytes_received`` what arrived in order;
both count from the connection's first byte (RFC 4898's HCDataOctets). ``bytes_acked`` would be one
more on the connecting side, where it counts the SYN. ``bytes_received`` is one more once the peer
has ended the connection: it counts the FIN, which the connection's state tells.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from dataclasses import dataclass

_BYTES_RECEIVED = 128  # offsets in struct tcp_info, linux/tcp.h
_BYTES_SENT = 200
_BYTES_RETRANS = 208
_NEEDED = 216
_U64 = struct.Struct("=Q")
_ENDED_BY_PEER = {8, 9, 11}
"""Of net/tcp_states.h: CLOSE_WAIT, LAST_ACK and CLOSING."""


@dataclass(frozen=True, slots=True)
class KernelBytes:
    """What the kernel carried on a connection since it was made."""

    sent: int
    received: int


def unavailable() -> str | None:
    """Why there are no kernel counters on this system, or None where there are."""
    if sys.platform != "linux":
        return f"no TCP_INFO byte counters on {sys.platform}"
    with socket.socket() as probe:
        length = len(probe.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512))
    return None if length >= _NEEDED else f"this kernel's TCP_INFO has {length} B and no bytes_sent"


def read(descriptor: int) -> KernelBytes:
    """The counters of the connection behind a descriptor, which stays open."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        info = _settled(connection)
    sent = _counter(info, _BYTES_SENT) - _counter(info, _BYTES_RETRANS)
    return KernelBytes(sent, _counter(info, _BYTES_RECEIVED) - (info[0] in _ENDED_BY_PEER))


def _settled(connection: socket.socket) -> bytes:
    """TCP_INFO whose state, its first byte, goes with its counters: the kernel reads the state
    first, so a FIN may come in between.
    """

    def info() -> bytes:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)

    before, after = info(), info()
    while before[0] != after[0]:
        before, after = after, info()
    return before


def _counter(info: bytes, offset: int) -> int:
    value: int = _U64.unpack_from(info, offset)[0]
    return value
