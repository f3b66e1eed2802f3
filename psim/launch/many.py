"""A plan's runs, one after another or several at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from psim.errors import PsimError
from psim.launch.folders import SweepFolder, destination
from psim.launch.local import warm_up
from psim.launch.signals import terminable
from psim.problems.base import DataProblem

if TYPE_CHECKING:
    from psim.experiment import Opener
    from psim.launch.journal import Screen
    from psim.plan import Plan
    from psim.problems.learning.given import TorchProblem

ScreenOf = Callable[[int], "Screen | None"]
"""The screen of the run of that number."""


def run_plan(
    plan: Plan,
    out: Path | None = None,
    overwrite: bool = False,
    at_once: int = 1,
    screen_of: ScreenOf = lambda _: None,
    device: str = "cpu",
    problem: TorchProblem | None = None,
) -> Path:
    """Carry out all runs; the folder they are in.

    What is wrong with any of them is found before the first begins. A run that diverges is a result
    and the others go on; one that fails is in the index, the others go on, and the first failure is
    raised at the end. This process and its workers compute networks on ``device``; ``problem`` is
    what was brought from Python, if anything.
    """
    with terminable(), destination(plan, out, overwrite) as folder:
        if at_once > 1 or any(run.config.transport == "tcp" for run in plan.runs):
            warm_up(_rows(plan))
        # While the warm parent imports torch and all else, so does this process.
        from psim.data.opened import Local
        from psim.experiment import Opener, check, prepare
        from psim.launch import jobs, single

        opener = Opener(Local(device, problem))
        if plan.single:
            single.run(plan.runs[0].config, folder, overwrite, screen_of(0), opener)
            return folder
        for run in plan.runs:
            check(run.config, opener)
        prepare(plan.runs[0].config, opener)
        sweep = SweepFolder(folder, plan, overwrite)
        carry = _in_turn if at_once == 1 else jobs.carry
        failures = carry(plan, sweep, screen_of, at_once, opener)
        if failures:
            raise failures[0]
        return folder


def _rows(plan: Plan) -> tuple[str, int | None] | None:
    """The data set that the runs read rows of, and in which dimension; None where there is more
    than one, as they would all be held at once.
    """
    problems = [run.config.problem for run in plan.runs]
    found = {(one.dataset, one.dimension) for one in problems if isinstance(one, DataProblem)}
    return found.pop() if len(found) == 1 else None


def _in_turn(
    plan: Plan, sweep: SweepFolder, screen_of: ScreenOf, _at_once: int, opener: Opener
) -> list[PsimError]:
    from psim.launch import single

    failures = []
    for number, run in enumerate(plan.runs):
        status = "interrupted"
        try:
            outcome = single.run(run.config, sweep.of(number), False, screen_of(number), opener)
            status = outcome.finish.status
        except PsimError as error:
            status = "failed"
            failures.append(error)
        finally:
            sweep.ended(number, run, status)
    return failures
