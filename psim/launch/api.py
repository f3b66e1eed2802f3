"""The Python interface: run an experiment, and get its results."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from pathlib import Path

from psim import config as configs
from psim.errors import UsageError
from psim.launch.many import run_plan
from psim.plan import expand
from psim.report.load import Results, load


def run(
    config: str | Path | Mapping[str, object],
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    jobs: int = 1,
) -> Results:
    """Run the experiment, or all runs of a sweep, that a config describes; returns its results.

    ``config`` is a YAML file's path, or the mapping that such a file holds (relative paths in it
    start at the current folder). ``out`` is the folder to write, by default the first free
    ``runs/<name>-<n>``; ``jobs`` is how many runs of a sweep go on at once. Raises
    `psim.errors.PsimError`.

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
    where = None if out is None else Path(out)
    return load(run_plan(expand(document, folder), where, overwrite, jobs))
