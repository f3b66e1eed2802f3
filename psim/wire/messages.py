"""The messages that master and workers exchange.

Vector messages carry payloads and scalars in the order that the method's schema declares; control
messages carry a few plain fields. Which kind may follow which is for the nodes to check.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import nan

from psim.vectors import Coded, Payload

PROTOCOL = 3
"""The protocol's version; it stands in every message and in the hello."""

Scalar = bool | int | float
Field = None | bool | int | float | str | list["Field"] | dict[str, "Field"]


class Kind(IntEnum):
    """What a message is; the number on the wire."""

    HELLO = 1  # worker host: protocol, how many ranks it offers, its capabilities
    WELCOME = 2  # master: the ranks, the resolved config, what the run was built from
    READY = 3  # worker host: its shares are loaded
    REFUSE = 4  # either: why it will not take part
    MODEL = 5  # master: x^t, densely
    UPDATE = 6  # master: the aggregate, from which each node advances its iterate
    MESSAGE = 7  # worker: a rank's message of round t
    DIAGNOSE = 8  # master: report on round t
    DIAGNOSTIC = 9  # worker: a rank's loss, gradient and distances at x^t
    GOODBYE = 10  # master: the run is over
    BYE = 11  # worker host: nothing more will follow
    CLOSE = 12  # master: everything has arrived
    FAILED = 13  # worker host: it cannot go on, and why
    GATHERED = 14  # master: all ranks' messages follow, and lead to x^t
    PASSED_ON = 15  # master: one rank's message, as it came
    COLLECT = 16  # master: send what the model reported lacks
    RESIDUAL = 17  # worker: what a rank keeps back from the model reported


VECTOR_KINDS = frozenset(
    {
        *(Kind.MODEL, Kind.UPDATE, Kind.GATHERED, Kind.PASSED_ON, Kind.MESSAGE),
        *(Kind.DIAGNOSE, Kind.DIAGNOSTIC, Kind.COLLECT, Kind.RESIDUAL),
    }
)


@dataclass(frozen=True, slots=True)
class Packet:
    """A vector message. ``rank`` is the sender's, 0 where the master sends.

    ``compute`` and ``loss`` are a report beside a MESSAGE and no part of the algorithm: the seconds
    that the rank computed, and the mean loss of its minibatch (NaN: not computed). They travel in a
    frame of their own and count as diagnostic.
    """

    kind: Kind
    round: int
    rank: int = 0
    payloads: tuple[Payload, ...] = ()
    scalars: tuple[Scalar, ...] = ()
    compute: float = 0.0
    loss: float = nan

    @property
    def nnz(self) -> int:
        """How many values of vectors travel, as floats or as codes."""
        count = 0
        for payload in self.payloads:
            count += payload.count if isinstance(payload, Coded) else payload.values.numel()
        return count

    @property
    def bits(self) -> int:
        """The papers' convention: 32 per transmitted float value, codes at their width, and nothing
        else.
        """
        count = 0
        for payload in self.payloads:
            count += payload.bits if isinstance(payload, Coded) else 32 * payload.values.numel()
        for scalar in self.scalars:
            count += 32 * (type(scalar) is float)
        return count


@dataclass(frozen=True, slots=True)
class Control:
    """A control message."""

    kind: Kind
    fields: dict[str, Field] = field(default_factory=dict)
