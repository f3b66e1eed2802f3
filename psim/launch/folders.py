"""Where runs go: one folder, or a sweep's folder with one per run and an index."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psim.plan import Plan, Run
from psim.results.folder import check_free, open_folder, reserved

LONGEST_NAME = 100


class SweepFolder:
    """A sweep's folder; ``index.jsonl`` gets a line as each run ends."""

    def __init__(self, folder: Path, plan: Plan, overwrite: bool = False) -> None:
        open_folder(folder, overwrite)
        self.folder = folder
        self._index = folder / "index.jsonl"
        self._index.touch()
        self.names = _names(plan.runs, {old.name for old in folder.iterdir()})

    def of(self, number: int) -> Path:
        """The folder of the plan's run of that number."""
        return self.folder / self.names[number]

    def ended(self, number: int, run: Run, status: str) -> None:
        """One line of the index."""
        line = {
            "folder": self.names[number],
            "label": run.label,
            "variant": run.variant,
            "varies": run.varies,
            "seed": run.config.seed,
            "status": status,
        }
        with self._index.open("a", encoding="utf-8") as index:
            index.write(json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n")


@contextmanager
def destination(plan: Plan, out: Path | None, overwrite: bool) -> Iterator[Path]:
    """The folder to write to. Raises ConfigError where it can't take the runs.

    One that psim names is made at once, so that no other run takes it; where nothing comes to be
    written to it, it goes again.
    """
    if out is not None:
        check_free(out, overwrite)
        yield out
        return
    with reserved(plan.name) as folder:
        yield folder


def _names(runs: tuple[Run, ...], there: set[str]) -> list[str]:
    """A folder name a run, after what varies; numbered where two would be the same, or where
    something is there already.
    """
    names: list[str] = []
    taken = {name.lower() for name in there}
    for run in runs:
        stem = re.sub(r"[^\w.+=,-]+", "_", run.label).strip("._")[:LONGEST_NAME] or "run"
        name, number = stem, 1
        while name.lower() in taken:  # some file systems fold case
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.lower())
        names.append(name)
    return names
