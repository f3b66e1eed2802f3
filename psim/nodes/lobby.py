"""How a run comes together: hosts say hello, are given ranks, and say when they are ready.

A host says how many ranks it offers and is given that many, in order of arrival. One that offers
more than are still needed, or speaks another version of the protocol, is refused and told why.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from psim.errors import PeerError, WireError
from psim.wire.messages import Control, Field, Kind

LONGEST_REASON = 2_000


@dataclass(slots=True)
class Guest:
    """A host that was let in."""

    ranks: range
    description: str
    ready: bool = False


@dataclass(slots=True)
class Lobby:
    """Who takes part. ``terms`` is what every host is told beside its ranks. Peers are named by the
    transport's identities.
    """

    workers: int
    terms: dict[str, Field]
    guests: dict[bytes, Guest] = field(default_factory=dict)
    given: int = 0

    @property
    def complete(self) -> bool:
        """All ranks are given, and their hosts are ready."""
        return self.given == self.workers and all(guest.ready for guest in self.guests.values())

    def receive(self, peer: bytes, message: Control) -> Control | None:
        """A control message of the joining phase, and the answer to it.

        Raises PeerError where a host that was let in can't take part, WireError for nonsense.
        """
        if message.kind is Kind.HELLO:
            return self._hello(peer, message.fields)
        if peer not in self.guests:
            raise WireError(f"{message.kind.name} from a peer that said no hello")
        guest = self.guests[peer]
        if message.kind is Kind.READY:
            guest.ready = True
            return None
        if message.kind in (Kind.REFUSE, Kind.FAILED):
            raise complaint(guest.description, message.fields)
        raise WireError(f"{message.kind.name} before the run has begun")

    def awaited(self) -> str:
        """What is still missing, in words."""
        loading = sum(len(guest.ranks) for guest in self.guests.values() if not guest.ready)
        came = f"{self.given} of {self.workers} workers came"
        return f"{came}, {loading} of them are still loading their data" if loading else came

    def _hello(self, peer: bytes, fields: dict[str, Field]) -> Control:
        count = fields.get("count")
        if peer in self.guests or type(count) is not int or count < 1:
            raise WireError(f"a hello that offers {count!r} ranks")
        if self.given + count > self.workers:
            free = self.workers - self.given
            return refusal(
                f"{count} ranks were offered and {free} of {self.workers} are free: "
                + (f"use --count {free} or less" if free else "this run has all its workers")
            )
        ranks = range(self.given, self.given + count)
        self.given += count
        name = f"{fields.get('host', '?')} (pid {fields.get('pid', '?')})"[:200]
        self.guests[peer] = Guest(ranks, f"worker {span(ranks)} on {name}")
        return Control(Kind.WELCOME, {**self.terms, "first": ranks.start, "count": count})


def refusal(reason: str, code: int = 2) -> Control:
    """Why a peer, or this side, will not take part."""
    return Control(Kind.REFUSE, {"reason": reason[:LONGEST_REASON], "code": code})


def failure(reason: str, code: int) -> Control:
    """Why a worker host can't go on."""
    return Control(Kind.FAILED, {"reason": reason[:LONGEST_REASON], "code": code})


def complaint(who: str, fields: dict[str, Field]) -> PeerError:
    """The error that a peer's refusal or failure makes here."""
    reason = str(fields.get("reason", "no reason given"))[:LONGEST_REASON]
    return PeerError(f"{who}: {' '.join(reason.split())}", 2 if fields.get("code") == 2 else 1)


def span(ranks: range) -> str:
    """``rank 3`` or ``ranks 0-9``."""
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]}-{ranks[-1]}"
