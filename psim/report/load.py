"""Reading results back: ``psim.load(folder)``.

A folder is a run's or a sweep's; either gives a `Results`, whose ``rows`` are a polars DataFrame
and whose ``runs`` are its runs (one, for a run's folder). A run that was cut short is read up to
its last whole row; one without ``summary.json`` has the status ``unfinished``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from psim import documents
from psim.errors import ConfigError, DataError, UsageError
from psim.report import records

ROWS, SUMMARY, CONFIG, INDEX = "rounds.jsonl", "summary.json", "config.yaml", "index.jsonl"


@dataclass(frozen=True)
class Run:
    """One run: ``label`` names it among its siblings, ``varies`` says what is its own.

    ``rows`` has a row per recorded round (Int64 and Float64, null where not computed); ``summary``
    is ``summary.json``; ``seed`` is None where the run is not one of several seeds.
    """

    folder: Path
    label: str
    variant: str
    rows: pl.DataFrame = field(repr=False)
    summary: dict[str, object] = field(repr=False)
    varies: dict[str, object] = field(default_factory=dict)
    seed: int | None = None

    @property
    def status(self) -> str:
        """``done``, ``diverged``, ``interrupted``, ``failed`` or ``unfinished``."""
        return str(self.summary.get("status", "unfinished"))

    @cached_property
    def config(self) -> dict[str, object]:
        """The resolved config: running it again gives the same iterates."""
        try:
            return documents.read(self.folder / CONFIG)
        except ConfigError as error:
            raise DataError(str(error)) from None


@dataclass(frozen=True)
class Results:
    """What a folder holds: one run (``single``), or the runs of a sweep in their order."""

    folder: Path
    runs: tuple[Run, ...]
    single: bool

    @cached_property
    def rows(self) -> pl.DataFrame:
        """All rows. A sweep's begin with ``run``, ``variant``, ``seed`` and what varies."""
        if self.single:
            return self.runs[0].rows
        tables = [
            run.rows.select(*head, pl.all())
            for run, head in zip(self.runs, _heads(self.runs), strict=True)
        ]
        return pl.concat(tables, how="diagonal") if tables else pl.DataFrame()

    @property
    def label(self) -> str:
        """The run's label, or the sweep's folder."""
        return self.runs[0].label if self.single else self.folder.resolve().name

    @property
    def summary(self) -> dict[str, object]:
        """The run's ``summary.json``; a sweep has one per run."""
        return self._run("summary").summary

    @property
    def config(self) -> dict[str, object]:
        """The run's resolved config; a sweep has one per run."""
        return self._run("config").config

    @property
    def status(self) -> str:
        """The run's status; a sweep has one per run."""
        return self._run("status").status

    def _run(self, what: str) -> Run:
        if not self.single:
            raise UsageError(
                f"{self.folder} holds {len(self.runs)} runs, each with a {what} of its own: "
                f"use [run.{what} for run in results.runs]"
            )
        return self.runs[0]


def load(folder: Path | str) -> Results:
    """The results in ``folder``, a run's or a sweep's.

    Raises DataError where it is neither, or where a file in it is damaged (file and line named).

    >>> results = psim.load("runs/quickstart-1")               # doctest: +SKIP
    >>> results.rows.filter(pl.col("variant") == "EF21")       # doctest: +SKIP
    """
    folder = Path(folder)
    if (folder / INDEX).is_file():
        entries = records.lines(folder / INDEX)
        return Results(folder, tuple(_entry(folder, *entry) for entry in entries), single=False)
    if (folder / ROWS).is_file() or (folder / SUMMARY).is_file():
        return Results(folder, (_run(folder),), single=True)
    raise DataError(f"{folder}: {_what_else(folder)}")


def load_all(folders: Iterable[Path | str]) -> list[Results]:
    """The results in each folder; a folder given twice counts once."""
    return [
        load(folder) for folder in {Path(folder).resolve(): folder for folder in folders}.values()
    ]


def _run(folder: Path) -> Run:
    summary = _summary(folder)
    label = str(summary.get("label") or summary.get("name") or folder.resolve().name)
    variant = str(summary.get("variant") or label)
    return Run(folder, label, variant, _rows(folder), summary)


def _entry(sweep: Path, number: int, entry: records.Record) -> Run:
    """The run of one line of ``index.jsonl``; one that has not begun yet has no rows."""
    name, label, varies, seed = (entry.get(key) for key in ("folder", "label", "varies", "seed"))
    if not isinstance(name, str) or not isinstance(label, str) or not isinstance(varies, dict):
        raise DataError(f"{sweep / INDEX}, line {number}: folder, label or varies is missing")
    folder = sweep / name
    summary = {"status": entry.get("status") or "unfinished", **_summary(folder)}
    return Run(
        folder,
        label,
        str(entry.get("variant") or label),
        _rows(folder),
        summary,
        varies,
        seed if isinstance(seed, int) else None,
    )


def _summary(folder: Path) -> dict[str, object]:
    return records.document(folder / SUMMARY) if (folder / SUMMARY).is_file() else {}


def _rows(folder: Path) -> pl.DataFrame:
    return records.rows(folder / ROWS) if (folder / ROWS).is_file() else records.no_rows()


def _what_else(folder: Path) -> str:
    """Why a folder is no run folder, and what to give instead."""
    if folder.is_file():
        return f"a file: give the run folder that it is in, {folder.parent}"
    if not folder.is_dir():
        return "no such folder: give the folder of a run"
    inside = sorted(
        {path.parent.name for name in (ROWS, INDEX) for path in folder.glob(f"*/{name}")}
    )
    if inside:
        return f"holds run folders, but is none: give one of those in it, like {folder / inside[0]}"
    return f"no run folder: it has neither {ROWS} nor {INDEX}"


def _heads(runs: tuple[Run, ...]) -> list[list[pl.Expr]]:
    """What stands before each run's rows: its names, its seed, and every key that varies."""
    keys = list(dict.fromkeys(key for run in runs for key in run.varies if key != "seed"))
    columns = {
        "run": pl.Series([run.label for run in runs], dtype=pl.String),
        "variant": pl.Series([run.variant for run in runs], dtype=pl.String),
        "seed": pl.Series([run.seed for run in runs], dtype=pl.Int64),
        **{key: _column([run.varies.get(key) for run in runs]) for key in keys},
    }
    return [
        [pl.lit(values[number], values.dtype).alias(name) for name, values in columns.items()]
        for number in range(len(runs))
    ]


def _column(values: list[object]) -> pl.Series:
    """One type for a key's values: numbers where all are, else text."""
    kinds = {type(value) for value in values if value is not None}
    for allowed, dtype in (({bool}, pl.Boolean), ({int}, pl.Int64), ({int, float}, pl.Float64)):
        if kinds <= allowed:
            return pl.Series(values, dtype=dtype, strict=False)
    texts = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return pl.Series(texts, dtype=pl.String)
