"""The physical account of one connection: what was handed to it, beside what the kernel carried."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from psim.runtime import tcpinfo
from psim.wire.size import HANDSHAKE


@dataclass(slots=True)
class Connection:
    """Framed bytes each way, handshake apart: whoever sends and receives on it counts them here.
    ``descriptor`` is a duplicate that this object owns, so that the kernel's counters can't become
    those of another connection.
    """

    sent: int = 0
    received: int = 0
    descriptor: int | None = field(default=None, repr=False)

    @classmethod
    def behind(cls, descriptor: int) -> Connection:
        """The connection behind one of ZeroMQ's descriptors, before its first message."""
        return cls(descriptor=os.dup(descriptor))

    def audit(self) -> Audit:
        """Counted beside the kernel's, now. Both queues must be empty."""
        assert self.descriptor is not None
        kernel = tcpinfo.read(self.descriptor)
        return Audit(
            self.sent + HANDSHAKE,
            kernel.sent,
            self.received + HANDSHAKE,
            kernel.received,
        )

    def close(self) -> None:
        """Give the descriptor back; until then the peer would not see the connection end."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


@dataclass(frozen=True, slots=True)
class Audit:
    """One connection's bytes, both ways, counted and as the kernel has them."""

    counted_sent: int
    kernel_sent: int
    counted_received: int
    kernel_received: int

    @property
    def difference(self) -> int:
        """How far apart they are: directions are not set off against each other."""
        sent = abs(self.counted_sent - self.kernel_sent)
        return sent + abs(self.counted_received - self.kernel_received)


def summary(audits: dict[str, Audit]) -> dict[str, object]:
    """The audit of a run: totals, and a line per connection."""
    counted = sum(a.counted_sent + a.counted_received for a in audits.values())
    kernel = sum(a.kernel_sent + a.kernel_received for a in audits.values())
    lines = {
        name: {
            "sent": {"counted": a.counted_sent, "kernel": a.kernel_sent},
            "received": {"counted": a.counted_received, "kernel": a.kernel_received},
        }
        for name, a in audits.items()
    }
    difference = sum(a.difference for a in audits.values())
    return {"counted": counted, "kernel": kernel, "difference": difference, "connections": lines}
