"""The run folder: config.yaml, rounds.jsonl, summary.json, x.npy and log.txt.

The folder is made when the run begins, after all workers have joined, so that wrong input leaves
none behind. Rows are appended as they happen: a run that is cut short is complete up to its last.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import IO

import numpy as np

from psim import documents
from psim.errors import ConfigError

OWN_FILES = ("config.yaml", "rounds.jsonl", "summary.json", "x.npy", "log.txt")
SWEEP_FILES = ("index.jsonl", "figure.png", "figure.pdf")


def free_folder(name: str, parent: Path = Path("runs")) -> Path:
    """``runs/<name>-<n>``, the first free n from 1."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise ConfigError where the folder can't take a run; nothing is changed."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out {folder}: is a file: give the path of a folder")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise ConfigError(f"--out {folder}: is not empty: give another folder, or --overwrite")
    if not any((folder / name).exists() for name in ("rounds.jsonl", "index.jsonl")):
        raise ConfigError(
            f"--out {folder}: is no run folder, so --overwrite leaves it alone: give another folder"
        )


def clear(folder: Path) -> None:
    """Remove what an earlier run or sweep left in the folder, and nothing else."""
    index = folder / "index.jsonl"
    if index.exists():
        for line in index.read_text(encoding="utf-8").splitlines():
            old = (folder / str(json.loads(line)["folder"])).resolve()
            if old.parent == folder.resolve() and (old / "config.yaml").exists():
                shutil.rmtree(old)
    for name in {*OWN_FILES, *SWEEP_FILES}:
        (folder / name).unlink(missing_ok=True)


class RunFolder:
    """A run folder that is being written."""

    def __init__(self, folder: Path, document: dict[str, object]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        clear(folder)
        self.folder = folder
        (folder / "config.yaml").write_text(documents.write(document), encoding="utf-8")
        self._rows: IO[str] = (folder / "rounds.jsonl").open("x", encoding="utf-8")
        self._log: IO[str] = (folder / "log.txt").open("x", encoding="utf-8")

    def append(self, row: dict[str, float | int | None]) -> None:
        """One row, as it happens. Floats read back exactly."""
        self._rows.write(json.dumps(row, allow_nan=False) + "\n")
        self._rows.flush()

    def log(self, line: str) -> None:
        """One line of log.txt."""
        self._log.write(line + "\n")
        self._log.flush()

    def close(self, summary: dict[str, object], x: np.ndarray | None) -> None:
        """The last files; x is the final iterate."""
        if x is not None:
            np.save(self.folder / "x.npy", x, allow_pickle=False)
        text = json.dumps(summary, allow_nan=False, indent=2, ensure_ascii=False)
        (self.folder / "summary.json").write_text(text + "\n", encoding="utf-8")
        self._rows.close()
        self._log.close()
