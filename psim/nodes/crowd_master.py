"""The master of ranks that work together: it takes their messages as tables, and not as frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from psim.nodes.master import Master
from psim.nodes.rows import Sums
from psim.wire.messages import Kind

if TYPE_CHECKING:
    from psim.nodes.crowd_host import Batch, Report
    from psim.nodes.instructions import Instruction


class CrowdMaster(Master):
    """`Master`, of which rounds, records, account and timeline are the same, to the bit."""

    _summed = Sums()

    @property
    def diagnosing(self) -> bool:
        """Whether the last broadcast asks for diagnostics."""
        return self._awaiting is Kind.DIAGNOSTIC

    def take(self, batch: Batch) -> list[Instruction]:
        """The messages of all ranks that take part in the round."""
        self._messages = batch.messages  # type: ignore[assignment] # nothing adds to these
        self.account.together(batch.weights, self.round)
        if self.emulation is not None:
            ranks, _, framed, *_ = batch.weights
            self.emulation.messages(ranks, framed, batch.seconds, self._elapsed())
        return self._gathered()

    def hear(self, report: Report) -> list[Instruction]:
        """The diagnostics of all ranks."""
        self._summed = report.sums
        self.account.diagnostics(report.sizes)
        return self._diagnosed()

    def called(self) -> np.ndarray:
        """The ranks that the last broadcast is for, ascending."""
        return np.asarray(self._ranks, dtype=np.int64)

    def _await(self, kind: Kind, ranks: Sequence[int]) -> None:
        """They come together: nobody is missed."""
        self._awaiting = kind

    def _sums(self) -> Sums:
        return self._summed
