"""What the master asks of whoever carries its run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from psim.nodes.rows import Entry
    from psim.wire.encode import Encoded

Status = Literal["done", "diverged"]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send these frames to every worker host; or, where ``ranks`` are given, `Master.copy_for` each
    of them to its host.

    ``due`` are the instants at which each rank would have them: on the real clock it is sent its
    copy then, and not before. None for what costs no emulated time.
    """

    message: Encoded
    due: Sequence[float] | None = None
    ranks: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """`Master.proceed` at this instant: on the real clock nothing happens before it."""

    until: float


@dataclass(frozen=True, slots=True)
class Record:
    """Append this to the run's records."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over. ``stopped_by`` names the stop condition that was met; ``instant`` is when
    what is sent after the last round has come, in emulated seconds, where anything is. ``reason``
    says where a run diverged, if that is known.
    """

    status: Status
    stopped_by: str | None = None
    instant: float | None = None
    reason: str | None = None


Instruction = Broadcast | Hold | Record | Finish
