"""The table of where the time went: the parts of a mean round (`psim.net.spent`).

A line a part. Means are over ranks and rounds, and over seeds; the longest is that of any rank in
any round. Several runs stand side by side, with the parts' shares of their rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from psim.net.spent import PARTS
from psim.report.fields import PART_NAMES
from psim.report.groups import Group, groups
from psim.report.load import Results, Run
from psim.report.numbers import quantity

if TYPE_CHECKING:
    from rich.box import Box
    from rich.table import Table

LEAST = 1e-9
"""Seconds below which a part is rounding, and shown as 0."""
ABREAST = 6
"""Runs side by side: so many fit into 80 columns."""


def frame(results: Sequence[Results]) -> pl.DataFrame:
    """The table as numbers: ``run``, ``part``, ``mean`` and ``longest`` (s), ``share`` of a round;
    a line for each part of each entry that has an emulated time.
    """
    lines = []
    for group in groups(results):
        found = _parts(group)
        total = sum(mean for mean, _ in found.values())
        for part, (mean, longest) in found.items():
            share = mean / total if total else 0.0
            lines.append((group.label, part, mean, longest, share))
    types: dict[str, type[pl.DataType]] = {"run": pl.String, "part": pl.String}
    types |= {"mean": pl.Float64, "longest": pl.Float64, "share": pl.Float64}
    return pl.DataFrame(lines, schema=types, orient="row")


def _parts(group: Group) -> dict[str, tuple[float, float]]:
    """Mean and longest of each part; empty where no run of the group has any."""
    runs = [table for table in map(_measured, group.runs) if len(table)]
    if not runs:
        return {}
    means, longest = (
        [[_of(table, part, kind) for part in PARTS] for table in runs] for kind in ("mean", "max")
    )
    pairs = zip(np.mean(means, axis=0).tolist(), np.max(longest, axis=0).tolist(), strict=True)
    return dict(zip(PARTS, pairs, strict=True))


def _measured(run: Run) -> pl.DataFrame:
    """The rows that say where time went, with how many ``rounds`` each of them speaks of."""
    rounds = (pl.col("round") - pl.col("round").shift(1, fill_value=0)).alias("rounds")
    return run.rows.with_columns(rounds).filter(pl.col("compute_mean").is_not_null())


def _of(table: pl.DataFrame, part: str, kind: str) -> float:
    values = table[f"{part}_{kind}"].to_numpy()
    if kind == "max":
        return float(values.max())
    return float(np.average(values, weights=table["rounds"].to_numpy()))


def tables(results: Sequence[Results], box: Box | None = None) -> list[Table]:
    """The tables for rich to print, `ABREAST` runs in each; none where no run has emulated time."""
    numbers = frame(results)
    runs = numbers["run"].unique(maintain_order=True).to_list()
    if len(runs) == 1:
        return [_one(numbers, box)]
    blocks = [runs[first : first + ABREAST] for first in range(0, len(runs), ABREAST)]
    return [_several(numbers, block, box) for block in blocks]


def _one(numbers: pl.DataFrame, box: Box | None) -> Table:
    """Means, shares and maxima of one run."""
    made = _table("mean round", ("mean", "share", "longest"), box)
    for part, mean, longest, share in numbers.drop("run").iter_rows():
        made.add_row(PART_NAMES[part], seconds(mean), _percent(share), seconds(longest))
    made.add_row("the round", seconds(sum(numbers["mean"])), "", "")
    return made


def _several(numbers: pl.DataFrame, runs: Sequence[str], box: Box | None) -> Table:
    """The shares of each run's mean round, side by side."""
    made = _table("share of a round", runs, box)
    of = {(run, part): (share, mean) for run, part, mean, _, share in numbers.iter_rows()}
    for part in PARTS:
        made.add_row(PART_NAMES[part], *(_percent(of[run, part][0]) for run in runs))
    rounds = [sum(of[run, part][1] for part in PARTS) for run in runs]
    made.add_row("the round", *map(seconds, rounds))
    return made


def _table(first: str, headings: Sequence[str], box: Box | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    padding = (0, 1 if box else 2, 0, 0)  # a box puts a space between columns
    made = Table(box=box, padding=padding, pad_edge=False, header_style="bold")
    made.add_column(first, vertical="bottom", no_wrap=True)
    for heading in headings:
        made.add_column(Text(heading), justify="right", vertical="bottom", overflow="fold")
    return made


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def seconds(value: float) -> str:
    """A part's length as it is shown."""
    return quantity(value if value >= LEAST else 0.0, unit="s")
