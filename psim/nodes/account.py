"""What the master counts: the ledger, and the papers' bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.net.links import link_bytes
from psim.wire.alike_sizes import Sizes
from psim.wire.ledger import Category, Charge, Ledger
from psim.wire.messages import Packet
from psim.wire.size import REPORT_SIZE, Size

UNBOOKED = 1 << 16
"""Messages that are charged later, at most."""


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


class Weights(NamedTuple):
    """The messages of ``ranks`` in a round: bytes of each, and what all have together in ``bits``
    by the papers' convention and in values, ``nnz``.
    """

    ranks: NDArray[np.int64]
    payload: NDArray[np.int64]
    framed: NDArray[np.int64]
    bits: int
    nnz: int


class Account:
    """Counts by worker, direction, category and level; a round's bits once it is complete.

    ``starts``: the message at x^0 only starts the method, and its bits are not counted with the
    others. Row t counts t messages a worker: those at x^1 to x^t where the method starts so, those
    at x^0 to x^{t-1} otherwise.
    """

    def __init__(self, workers: int, mtu: int, starts: bool) -> None:
        self.workers, self.mtu, self.starts = workers, mtu, starts
        self._ledger = Ledger(workers)
        self._unbooked: list[tuple[Category, Weights]] = []
        self._unbooked_messages = 0
        self.start_bits = 0.0
        self.finish_bits = 0.0
        self._bits = self._round_bits = self._round_nnz = self._round_messages = 0
        self._nnz: float | None = None

    @property
    def ledger(self) -> Ledger:
        """All that was charged so far."""
        self._book()
        return self._ledger

    def broadcast(self, size: Size, category: Literal["setup", "broadcast"]) -> None:
        """x^t, to every worker."""
        cost = Charge(1, 0, size.payload, size.framed, link_bytes(size.framed, self.mtu))
        self._ledger.charge_all("down", category, cost)

    def broadcast_to(
        self, sizes: Mapping[int, Size], category: Literal["setup", "broadcast"]
    ) -> None:
        """x^t, to some workers."""
        payload = sum(size.payload for size in sizes.values())
        framed = {rank: size.framed for rank, size in sizes.items()}
        link = sum(link_bytes(nbytes, self.mtu) for nbytes in framed.values())
        cost = Charge(len(sizes), 0, payload, sum(framed.values()), link)
        self._ledger.charge("down", category, framed, cost)

    def messages(self, arrived: Sequence[tuple[Packet, Size]]) -> None:
        """Some workers' messages of one round, and the reports that travelled with them."""
        starts = self.starts and arrived[0][0].round == 0
        bits = nnz = payload = link = 0
        framed = {}
        for packet, size in arrived:
            bits += packet.bits
            nnz += packet.nnz
            payload += size.payload
            link += link_bytes(size.framed, self.mtu)
            framed[packet.rank] = size.framed
        cost = Charge(len(arrived), bits, payload, sum(framed.values()), link)
        self._ledger.charge("up", "start" if starts else "message", framed, cost)
        reports = Charge(1, 0, *REPORT_SIZE, 0).times(len(arrived))
        self._ledger.charge("up", "diagnostic", dict.fromkeys(framed, REPORT_SIZE.framed), reports)
        self._round_bits += bits
        self._round_nnz += nnz
        self._round_messages += len(arrived)

    def together(self, messages: Weights, round: int) -> None:
        """`messages` of one round by many ranks at once. They are booked later, with those of other
        rounds: a round doesn't wait for it.
        """
        category: Category = "start" if self.starts and round == 0 else "message"
        self._unbooked.append((category, messages))
        self._unbooked_messages += len(messages.ranks)
        if self._unbooked_messages > UNBOOKED:
            self._book()
        self._round_bits += messages.bits
        self._round_nnz += messages.nnz
        self._round_messages += len(messages.ranks)

    def _book(self) -> None:
        """Charge what is not booked yet."""
        entries, self._unbooked, self._unbooked_messages = self._unbooked, [], 0
        for category in sorted({category for category, _ in entries}):
            some = [messages for of, messages in entries if of == category]
            ranks = np.concatenate([messages.ranks for messages in some])
            payload = np.concatenate([messages.payload for messages in some])
            framed = np.concatenate([messages.framed for messages in some])
            count, bits = len(ranks), sum(messages.bits for messages in some)
            link = int(link_bytes(framed, self.mtu).sum())
            cost = Charge(count, bits, int(payload.sum()), int(framed.sum()), link)
            self._ledger.charge_many("up", category, ranks, framed, cost)
            reports = Charge(1, 0, *REPORT_SIZE, 0).times(count)
            each = np.full(count, REPORT_SIZE.framed)
            self._ledger.charge_many("up", "diagnostic", ranks, each, reports)

    def question(self, size: Size, category: Literal["diagnostic", "finish"]) -> None:
        """What all workers are asked; diagnostics are on no emulated link."""
        link = link_bytes(size.framed, self.mtu) if category == "finish" else 0
        self._ledger.charge_all("down", category, Charge(1, 0, size.payload, size.framed, link))

    def last(self, packet: Packet, size: Size) -> None:
        """What a worker sends after the last round."""
        link = link_bytes(size.framed, self.mtu)
        cost = Charge(1, packet.bits, size.payload, size.framed, link)
        self._ledger.charge("up", "finish", {packet.rank: size.framed}, cost)
        self.finish_bits += packet.bits / self.workers

    def diagnostic(self, rank: int, size: Size) -> None:
        """A worker's diagnostics."""
        cost = Charge(1, 0, size.payload, size.framed, 0)
        self._ledger.charge("up", "diagnostic", {rank: size.framed}, cost)

    def diagnostics(self, sizes: Sizes) -> None:
        """All workers' diagnostics at once."""
        payload, framed = sizes
        cost = Charge(len(payload), 0, int(payload.sum()), int(framed.sum()), 0)
        self._ledger.charge_many("up", "diagnostic", np.arange(len(payload)), framed, cost)

    def close(self, round: int) -> None:
        """All messages of the round are here."""
        if self.starts and round == 0:
            self.start_bits = _number(self._round_bits, self.workers)
        else:
            self._bits += self._round_bits
            if self._round_messages:
                self._nnz = _number(self._round_nnz, self._round_messages)
        self._round_bits = self._round_nnz = self._round_messages = 0

    def counted(self) -> Counted:
        """The counts so far."""
        up = self.ledger.total("up", "message", "start")
        down = self.ledger.total("down", "broadcast")
        bits = _number(self._bits, self.workers)
        return Counted(bits, self._nnz, up.payload, up.framed, down.payload, down.framed)


def _number(total: int, count: int) -> float:
    """The mean: a whole number where it is one."""
    return total // count if total % count == 0 else total / count
