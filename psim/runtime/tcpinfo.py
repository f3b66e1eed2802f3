"""The kernel's own byte counters of a TCP connection (Linux, TCP_INFO).

``bytes_sent - bytes_retrans`` is what was sent once, and ``bytes_received`` what arrived in order;
both count from the connection's first byte (RFC 4898's HCDataOctets). ``bytes_acked`` would be one
more on the connecting side, where it counts the SYN.
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
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)

    def counter(offset: int) -> int:
        value: int = _U64.unpack_from(info, offset)[0]
        return value

    sent = counter(_BYTES_SENT) - counter(_BYTES_RETRANS)
    return KernelBytes(sent, counter(_BYTES_RECEIVED))
