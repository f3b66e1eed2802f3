"""What a run came to, however it was carried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psim.nodes.account import Account
    from psim.nodes.instructions import Finish
    from psim.nodes.participation import Attendance
    from psim.vectors import torch


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its status, the final iterate, what was counted, the audit or why there is
    none, how late the real clock was, whose messages were used, and the memory of worker hosts.
    """

    finish: Finish
    x: torch.Tensor
    account: Account
    audit: dict[str, object] | None
    audit_reason: str | None
    attendance: Attendance
    lag: dict[str, object] | None = None
    memory: dict[str, dict[str, int]] | None = None
