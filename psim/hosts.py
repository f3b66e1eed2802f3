"""Which kind of worker host ranks have: one that computes them together, where that is faster."""

from __future__ import annotations

from collections.abc import Callable

from psim.data.opened import Opened, OpenedProblem
from psim.nodes import table_host
from psim.nodes.setup import Setup
from psim.nodes.table_host import TableHost
from psim.nodes.worker import WorkerHost


def host(
    setup: Setup, problem: Opened, ranks: range, stopwatch: Callable[[], float], measured: bool
) -> WorkerHost:
    """The host of ``ranks``, ready for the first broadcast. ``measured``: what a rank's computing
    takes is wanted, in seconds of the ``stopwatch``.
    """
    several = len(ranks) > 1 and table_host.worthwhile(setup)
    if several and isinstance(problem, OpenedProblem):
        together = TableHost(setup, problem.batched(ranks), ranks, stopwatch, measured)
        together.prepare()
        return together
    shares = {rank: problem.share(rank) for rank in ranks}
    return WorkerHost(setup, shares, stopwatch, problem.device)
