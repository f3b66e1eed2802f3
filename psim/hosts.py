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
    together = _together(setup, problem, ranks, stopwatch, measured)
    if together is not None:
        together.prepare()
        return together
    shares = {rank: problem.share(rank) for rank in ranks}
    return WorkerHost(setup, shares, stopwatch, problem.device)


def compile_first(setup: Setup, problem: Opened) -> None:
    """Compile, before they are started, what all hosts of this run would compile, each by itself:
    once on a machine.
    """
    together = _together(setup, problem, range(1), float, measured=False)
    if together is not None:
        together.prepare()


def _together(
    setup: Setup, problem: Opened, ranks: range, stopwatch: Callable[[], float], measured: bool
) -> TableHost | None:
    """The host that computes the ranks together; None where that is not possible, or slower."""
    if not (table_host.worthwhile(setup) and isinstance(problem, OpenedProblem)):
        return None
    return TableHost(setup, problem.batched(ranks), ranks, stopwatch, measured)
