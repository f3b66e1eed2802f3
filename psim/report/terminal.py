"""Results on a terminal: tables as it shows them best, and what a run ends with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from psim.report import breakdown as parts
from psim.report import table
from psim.report.load import Results, load_all

if TYPE_CHECKING:
    from rich.box import Box
    from rich.console import RenderableType


def show(made: Callable[[Box | None], RenderableType]) -> None:
    """A table with a box, or as plain lines where they go to no terminal."""
    from rich import box
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(made(box.SIMPLE_HEAD))
    else:
        click.echo(table.plain(made(None)))


def comparison(results: list[Results]) -> None:
    """The table of runs."""
    show(lambda box: table.table(results, box))


def breakdown(results: list[Results]) -> None:
    """Where the time went, for runs that have an emulated one."""
    from rich.console import Group

    if parts.tables(results, None):
        show(lambda box: Group(*parts.tables(results, box)))


def finished(folder: Path, single: bool) -> None:
    """What a run, or a sweep, came to: the table, the figure of a sweep, and where things are."""
    results = load_all([folder])
    comparison(results)
    _remark(results[0])
    if single:
        click.echo(f"Rows, summary and resolved config are in {folder}. Try: psim plot {folder}")
        return
    from psim.report.plot import save  # tables alone need no matplotlib

    figure = save(results, [folder / "figure.png", folder / "figure.pdf"])[0]
    click.echo(
        f"The figure is {figure} (and .pdf), and each run has its folder beside it. "
        f"Try: psim plot {folder} --x wall, or the same config with --set compressor.k=4"
    )


def _remark(results: Results) -> None:
    """Say what runs' summaries remark: what must be known of the data, why a run ended before its
    time, and on the real clock that the machine was too slow.
    """
    for note in {run.summary.get("data_note"): None for run in results.runs}:  # each one once
        if note:
            click.echo(f"note: {note}")
    for run in results.runs:
        name = "" if results.single else f"{run.label}: "
        lag, reason = run.summary.get("lag"), run.summary.get("reason")
        if isinstance(lag, dict) and lag.get("warning"):
            click.echo(f"warning: {name}{lag['warning']}", err=True)
        if run.summary.get("status") == "diverged" and reason:
            click.echo(f"warning: {name}diverged: {reason}", err=True)
