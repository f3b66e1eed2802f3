"""What the master counts: the ledger, and the papers' bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psim.net.links import link_bytes
from psim.wire.ledger import Charge, Ledger
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
        link = int(link_bytes(size.framed, self.mtu))
        self.ledger.charge_all("down", category, Charge(1, 0, size.payload, size.framed, link))

    def message(self, packet: Packet, size: Size, report: Size | None) -> None:
        """A worker's message, and the report that travelled with it."""
        category: Literal["start", "message"] = (
            "start" if self.starts and packet.round == 0 else "message"
        )
        nnz, bits = packet.nnz, packet.bits
        link = int(link_bytes(size.framed, self.mtu))
        cost = Charge(1, bits, size.payload, size.framed, link)
        self.ledger.charge("up", category, packet.rank, cost)
        if report is not None:
            beside = Charge(1, 0, report.payload, report.framed, 0)
            self.ledger.charge("up", "diagnostic", packet.rank, beside)
        self._round_bits += bits
        self._round_nnz += nnz

    def diagnostic(self, size: Size, rank: int | None = None) -> None:
        """A question to all workers, or a worker's answer; diagnostics are on no emulated link."""
        cost = Charge(1, 0, size.payload, size.framed, 0)
        if rank is None:
            self.ledger.charge_all("down", "diagnostic", cost)
        else:
            self.ledger.charge("up", "diagnostic", rank, cost)

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
        up = self.ledger.total("up", "message", "start")
        down = self.ledger.total("down", "broadcast")
        bits = _number(self._bits, self.workers)
        return Counted(bits, self._nnz, up.payload, up.framed, down.payload, down.framed)


def _number(total: int, workers: int) -> float:
    """The mean over workers: a whole number where it is one."""
    return total // workers if total % workers == 0 else total / workers
