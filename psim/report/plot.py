"""Figures of results: one panel per x, one line per run, the same style in every panel.

`figure` makes a matplotlib Figure without touching pyplot or the user's settings; `save` writes it,
byte for byte the same for the same results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from psim.errors import DataError
from psim.report import curves
from psim.report.drawing import Panel, draw, style
from psim.report.fields import FIELDS, field
from psim.report.figures import written
from psim.report.groups import Group, groups
from psim.report.load import Results


def default_x(results: Sequence[Results]) -> tuple[str, ...]:
    """What methods are compared by: bits per worker, and emulated time (wall time without one)."""
    timed = any(run.rows["time"].count() for source in results for run in source.runs)
    return ("up_bits", "time" if timed else "wall")


REACHED = ("test_accuracy", "test_perplexity", "hit_rate_10", "test_loss", "train_loss")
"""What shows how far a network came, the best first."""


def default_y(results: Sequence[Results]) -> str:
    """‖∇f‖², or what `REACHED` has first where no row has that."""
    tables = [run.rows for source in results for run in source.runs]
    for name in ("grad_norm_sq", *REACHED):
        if any(_has(table, name) for table in tables):
            return name
    return "grad_norm_sq"


def figure(
    results: Sequence[Results],
    x: Sequence[str] = (),
    y: str | None = None,
    *,
    log_x: bool | None = None,
    log_y: bool | None = None,
) -> Figure:
    """``y`` against each field of ``x``, a panel each; `default_y` and `default_x` where none are
    given.

    A scale that is not given is chosen: y is logarithmic where the field falls geometrically or
    spans decades, x where a run would otherwise end in the first tenth of the panel. A diverged run
    ends in a cross, at its last finite row or where it has left the others far below.

    Raises ConfigError for an unknown field, DataError where there is nothing to draw.
    """
    found = groups(results)
    names, y = tuple(x) or default_x(results), y or default_y(results)
    for name in (*names, y):
        _check(found, name)
    if log_y is None:
        log_y = field(y, [y]).log or curves.spans_decades(found, y)
    panels = [
        Panel(name, y, curves.crowded(found, name, y) if log_x is None else log_x, log_y)
        for name in names
    ]
    with style():
        return draw(found, panels)


def save(
    results: Sequence[Results],
    paths: Iterable[Path | str],
    x: Sequence[str] = (),
    y: str | None = None,
    *,
    log_x: bool | None = None,
    log_y: bool | None = None,
) -> list[Path]:
    """Write `figure` to each path, as PNG or PDF by its suffix, and return the paths."""
    return written(lambda: figure(results, x, y, log_x=log_x, log_y=log_y), paths)


def _check(found: Sequence[Group], name: str) -> None:
    tables = [run.rows for group in found for run in group.runs]
    field(name, {column for table in tables for column in table.columns} or FIELDS)
    if not any(_has(table, name) for table in tables):
        valued = sorted({n for table in tables for n in table.columns if _has(table, n)})
        rest = f"these fields have: {', '.join(valued)}" if valued else "they have no rows yet"
        raise DataError(f"{name} has no value in any row of these runs; {rest}")


def _has(table: pl.DataFrame, name: str) -> bool:
    return name in table.columns and table[name].count() > 0
