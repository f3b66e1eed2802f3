"""One line of a figure: the points of a run, or of the seeds of a run taken together.

Seeds are taken together at equal rounds, over the rounds that all of them recorded. On a
logarithmic axis the middle is the geometric mean and the band one standard deviation of log y
either side; on a linear axis they are the mean and one standard deviation of y. (An arithmetic
mean would follow the worst seed alone, and its band would reach below zero.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from psim.report.groups import Group

Floats = NDArray[np.float64]

CROWDED = 10.0
"""A linear x axis must give every run this share of its width, 1/10, or it is logarithmic."""
DECADES = 100.0
"""Positive values that span more than this factor are read on a logarithmic axis."""
HEADROOM = 1e3
"""How far above all other runs a diverged one is followed."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in the order of rounds; ``low`` and ``high`` bound the band of several seeds."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats
    seeds: int

    def until(self, ceiling: float) -> Curve:
        """The part before the first point above ``ceiling``; that point is put on it."""
        above = np.flatnonzero(self.y > ceiling)
        if not len(above):
            return self
        end = int(above[0]) + 1
        y, low, high = (np.minimum(part[:end], ceiling) for part in (self.y, self.low, self.high))
        return Curve(self.x[:end], y, low, high, self.seeds)


def curve(group: Group, x: str, y: str, *, log_x: bool, log_y: bool) -> Curve:
    """The line of a group, without what cannot be drawn: null, and 0 on a logarithmic axis."""
    tables = [points(run.rows, x, y, log_x=log_x, log_y=log_y) for run in group.runs]
    tables = [table for table in tables if len(table)]
    if len(tables) < 2:
        table = tables[0] if tables else points(pl.DataFrame(), x, y, log_x=log_x, log_y=log_y)
        xs, ys = (table[name].to_numpy() for name in ("x", "y"))
        return Curve(xs, ys, ys, ys, len(tables))
    return _together(tables, log_y)


def points(rows: pl.DataFrame, x: str, y: str, *, log_x: bool, log_y: bool) -> pl.DataFrame:
    """Columns ``round``, ``x`` and ``y`` of the rows that can be drawn."""
    if not {x, y} <= set(rows.columns):
        return pl.DataFrame(schema={"round": pl.Int64, "x": pl.Float64, "y": pl.Float64})
    table = rows.select(
        pl.col("round"),
        pl.col(x).cast(pl.Float64).alias("x"),
        pl.col(y).cast(pl.Float64).alias("y"),
    )
    table = table.filter(pl.col("x").is_finite(), pl.col("y").is_finite())
    positive = [pl.col(name) > 0 for name, log in (("x", log_x), ("y", log_y)) if log]
    return table.filter(*positive) if positive else table


def _together(tables: list[pl.DataFrame], log_y: bool) -> Curve:
    values = pl.col("y").log() if log_y else pl.col("y")
    table = (
        pl.concat(tables)
        .group_by("round")
        .agg(
            pl.col("x").mean(),
            values.mean().alias("middle"),
            values.std(ddof=1).alias("deviation"),
            pl.len().alias("seeds"),
        )
        .filter(pl.col("seeds") == len(tables))
        .sort("round")
    )
    middle, deviation = (table[name].to_numpy() for name in ("middle", "deviation"))
    bands = (middle, middle - deviation, middle + deviation)
    y, low, high = (np.exp(part) if log_y else part for part in bands)
    return Curve(table["x"].to_numpy(), y, low, high, len(tables))


def crowded(found: Sequence[Group], x: str, y: str) -> bool:
    """Whether x needs a logarithmic axis: some run would end in the first tenth of a linear one.

    GD sends d values where Top-1 sends one, so over equal rounds GD ends at d times the bits, and a
    linear axis would show the other methods as vertical strokes at its left edge.
    """
    ends = []
    for group in found:
        for run in group.runs:
            xs = points(run.rows, x, y, log_x=False, log_y=False)["x"]
            if len(xs) and float(xs[0]) < 0:
                return False
            ends += [float(xs[-1])] if len(xs) else []
    ends = [end for end in ends if end > 0]
    return bool(ends) and max(ends) > CROWDED * min(ends)


def spans_decades(found: Sequence[Group], y: str) -> bool:
    """Whether all values of y are positive and span more than two decades."""
    least, most = math.inf, -math.inf
    for group in found:
        for run in group.runs:
            values = points(run.rows, y, y, log_x=False, log_y=False)["y"]
            if len(values):
                least = min(least, *values.bottom_k(1))
                most = max(most, *values.top_k(1))
    return 0 < least < math.inf and most > DECADES * least


def ceiling(lines: Sequence[Curve], diverged: Sequence[bool]) -> float:
    """The y to which diverged runs are followed: beyond it they would flatten all others."""
    sound = [line for line, gone in zip(lines, diverged, strict=True) if not gone and len(line.y)]
    highest = max((float(line.high.max()) for line in sound), default=0.0)
    return highest * HEADROOM if highest > 0 else math.inf


def marks(u: Floats, v: Floats, start: float, distance: float) -> list[int]:
    """Which points of a line bear a marker: the first at ``start`` from the line's beginning, each
    further one at ``distance`` from the one before. Coordinates are shares of the panel. Distance
    is not measured along the line, so a noisy one gets no more markers than a smooth one; and it is
    that of a moving average, lest a marker sits on every outlier.
    """
    found: list[int] = []
    v = _smooth(v, len(v) // 100)
    here, reach = 0, start
    while True:
        far = np.hypot(u[here:] - u[here], v[here:] - v[here]) >= reach
        step = int(far.argmax())
        if not step:  # distance 0 lies at the start, so this says that none is far enough
            return found or [len(u) - 1]
        here, reach = here + step, distance
        found.append(here)


def _smooth(v: Floats, reach: int) -> Floats:
    """The mean of each value and its ``reach`` neighbours on either side."""
    window = np.full(2 * reach + 1, 1 / (2 * reach + 1))
    return np.convolve(np.pad(v, reach, mode="edge"), window, mode="valid")
