"""What the master counts: the ledger, and the papers' bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psim.net.links import link_bytes
from psim.wire.ledger import Ledger
from psim.wire.messages import Packet
from psim.wire.size import Size


@dataclass(frozen=True, slots=True)
class Counted:
    """Cumulative counts at an instant: ``bits`` per worker in the papers' convention, ``nnz`` the
    mean number of values in the last message counted, bytes over all workers.
    """

    bits: float
    nnz: float | None
    up_payload: int
    up_framed: int
    down_payload: int
    down_framed: int


class Account:
    """Counts by worker, direction, category and level; a round's bits once it is complete.

    ``starts``: the message at x^0 only starts the method, and its bits are not counted with the
    others. Row t counts t messages a worker: those at x^1 to x^t where the method starts so, those
    at x^0 to x^{t-1} otherwise.
    """

    def __init__(self, workers: int, mtu: int, starts: bool) -> None:
        self.workers, self.mtu, self.starts = workers, mtu, starts
        self.ledger = Ledger(workers)
        self.start_bits = 0.0
        self._bits = self._round_bits = self._round_nnz = 0
        self._nnz: float | None = None

    def broadcast(self, size: Size, category: Literal["setup", "broadcast"]) -> None:
        """x^t, to every worker."""
        self.ledger.add("down", category, size, link_bytes(size.framed, self.mtu))

    def message(self, packet: Packet, size: Size, report: Size) -> None:
        """A worker's message, and the report that travelled with it."""
        category: Literal["start", "message"] = (
            "start" if self.starts and packet.round == 0 else "message"
        )
        link = link_bytes(size.framed, self.mtu)
        self.ledger.add("up", category, size, link, packet.bits, packet.rank)
        if report.framed:
            self.ledger.add("up", "diagnostic", report, 0, 0, packet.rank)
        self._round_bits += packet.bits
        self._round_nnz += packet.nnz

    def diagnostic(self, size: Size, rank: int | None = None) -> None:
        """A question to all workers, or a worker's answer; diagnostics are on no emulated link."""
        self.ledger.add("up" if rank is not None else "down", "diagnostic", size, 0, 0, rank)

    def close(self, round: int) -> None:
        """All messages of the round are here."""
        if self.starts and round == 0:
            self.start_bits = _number(self._round_bits, self.workers)
        else:
            self._bits += self._round_bits
            self._nnz = _number(self._round_nnz, self.workers)
        self._round_bits = self._round_nnz = 0

    def counted(self) -> Counted:
        """The counts so far."""
        total = self.ledger.total
        return Counted(
            bits=_number(self._bits, self.workers),
            nnz=self._nnz,
            up_payload=total("up", "payload", "message", "start"),
            up_framed=total("up", "framed", "message", "start"),
            down_payload=total("down", "payload", "broadcast"),
            down_framed=total("down", "framed", "broadcast"),
        )


def _number(total: int, workers: int) -> float:
    """The mean over workers: a whole number where it is one."""
    return total // workers if total % workers == 0 else total / workers
