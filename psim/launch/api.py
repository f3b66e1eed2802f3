"""The Python interface: run an experiment, and get its results."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from psim import config as configs
from psim.errors import ConfigError, UsageError
from psim.launch.many import run_plan
from psim.plan import expand
from psim.problems.network import GIVEN, Network
from psim.report.load import Results, load

if TYPE_CHECKING:
    from psim.problems.learning.given import TorchProblem


def run(
    config: str | Path | Mapping[str, object],
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    jobs: int = 1,
    problem: TorchProblem | None = None,
    device: str = "cpu",
) -> Results:
    """Run the experiment, or all runs of a sweep, that a config describes; returns its results.

    ``config`` is a YAML file's path, or the mapping that such a file holds (relative paths in it
    start at the current folder). ``out`` is the folder to write, by default the first free
    ``runs/<name>-<n>``; ``jobs`` is how many runs of a sweep go on at once. Raises
    `psim.errors.PsimError`.

    ``problem`` brings a module and its data, for what the config says of `problem` beside these
    (batch, partition, …). ``device`` is where networks compute: cpu, cuda, cuda:1 or mps.

    In a script, guard the call with ``if __name__ == "__main__":``: worker processes import the
    script, as those of `multiprocessing` do. An interactive session needs no guard.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "psim.run was called while a worker process imports the script that calls it: put the "
            'call under if __name__ == "__main__":'
        )
    if isinstance(config, Mapping):
        document, folder = {"name": "run", **config}, Path()
    else:
        document, folder = configs.load(Path(config)), Path(config).parent
    if problem is not None:
        document["problem"] = _brought(document.get("problem"), problem)
    plan, where = expand(document, folder), None if out is None else Path(out)
    return load(run_plan(plan, where, overwrite, jobs, device=device, problem=problem))


def _brought(section: object, problem: TorchProblem) -> dict[str, object]:
    """The config's ``problem`` with the model, the data and the loss that were brought. Raises
    ConfigError where it names others.
    """
    known = dict(section) if isinstance(section, Mapping) else {}
    for key in ("model", "dataset", "loss"):
        if known.get(key, GIVEN) != GIVEN:
            raise ConfigError(
                f"{known[key]!r}, and the problem that was passed to psim.run brings its own: "
                "leave this out",
                f"problem.{key}",
            )
    loss = problem.loss if isinstance(problem.loss, str) else GIVEN
    return {**known, "name": Network.name, "model": GIVEN, "dataset": GIVEN, "loss": loss}
