"""The table of a comparison: what each run reached, and what it cost.

Values are those of the last row (of the last one where the field was computed) or, where a heading
says so, the best of all rows, whatever the status; seeds are given as mean ± sample standard
deviation. Bytes are over all workers, with framing. `frame` has the numbers, `table` the table,
`text` the same as plain text.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import polars as pl

from psim.report.groups import Group, groups
from psim.report.load import Results
from psim.report.numbers import MISSING, count, number, percent, quantity, scientific

if TYPE_CHECKING:
    from rich.box import Box
    from rich.console import RenderableType
    from rich.table import Table


class Format(Protocol):
    """How a mean and its deviation are written."""

    def __call__(self, mean: float, std: float | None = None) -> str: ...


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a field of the rows, under its heading."""

    field: str
    heading: str
    format: Format
    best: Literal["", "largest", "smallest"] = ""
    """Of all rows the best value, in place of the last one."""

    @property
    def name(self) -> str:
        """What the table of numbers calls it."""
        return f"best_{self.field}" if self.best else self.field

    def value(self, rows: pl.DataFrame) -> float | None:
        """The run's value; None where the field was not computed in any row."""
        if self.field not in rows.columns:
            return None
        values = rows[self.field].drop_nulls()
        if not len(values):
            return None
        chosen = {"": values[-1], "largest": values.max(), "smallest": values.min()}[self.best]
        return float(chosen)


GRADIENT = Column("grad_norm_sq", "‖∇f‖²", scientific)
REACHED = (
    GRADIENT,
    Column("train_loss", "train\nloss", number),
    Column("test_loss", "test\nloss", number),
    Column("test_accuracy", "test\naccuracy", percent),
    Column("test_accuracy", "best\naccuracy", percent, "largest"),
    Column("test_perplexity", "test\nperplexity", number),
    Column("test_perplexity", "best\nperplexity", number, "smallest"),
    Column("hit_rate_10", "hit\nrate", percent),
    Column("hit_rate_10", "best\nhit rate", percent, "largest"),
)
"""How far a run came: those that any run of the table has, or else the gradient's."""
ROUNDS = Column("round", "rounds", count)
COSTS = (
    Column("up_bits", "uplink bits\nper worker", partial(quantity, unit="bit")),
    Column("up_framed", "bytes\nup", partial(quantity, unit="B")),
    Column("down_framed", "bytes\ndown", partial(quantity, unit="B")),
    Column("time", "emulated\ntime", partial(quantity, unit="s")),
    Column("wall", "wall\ntime", partial(quantity, unit="s")),
)


def frame(results: Sequence[Results]) -> pl.DataFrame:
    """The table as numbers: ``run``, ``status``, ``seeds``, and each field with its ``_std``.

    Float64; null where the field was not computed, and for the ``_std`` of one seed. The best value
    of a field is ``best_`` and its name.
    """
    found = groups(results)
    data: dict[str, pl.Series] = {
        "run": pl.Series([group.label for group in found], dtype=pl.String),
        "status": pl.Series([group.status for group in found], dtype=pl.String),
        "seeds": pl.Series([len(group.runs) for group in found], dtype=pl.Int64),
    }
    for column in _shown(found):
        spreads = [spread(group, column) for group in found]
        data[column.name] = pl.Series([mean for mean, _ in spreads], dtype=pl.Float64)
        data[f"{column.name}_std"] = pl.Series([std for _, std in spreads], dtype=pl.Float64)
    return pl.DataFrame(data)


def spread(group: Group, column: Column) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation of a column over the group's runs that have it."""
    found = [column.value(run.rows) for run in group.runs]
    values = pl.Series([value for value in found if value is not None], dtype=pl.Float64)
    mean, std = values.mean(), values.std(ddof=1)
    return (
        mean if isinstance(mean, float) else None,
        std if isinstance(std, float) else None,
    )


def text(results: Sequence[Results]) -> str:
    """The table as plain lines: for files, pipes and logs."""
    return plain(table(results))


def plain(made: RenderableType) -> str:
    """What rich would print as plain lines, as wide as they need to be."""
    from rich.console import Console

    lines = io.StringIO()
    console = Console(file=lines, width=100_000, color_system=None, force_terminal=False)
    console.print(made)
    return "".join(f"{line.rstrip()}\n" for line in lines.getvalue().splitlines())


def table(results: Sequence[Results], box: Box | None = None) -> Table:
    """The table, to be printed by rich; with a box, short labels fit into 80 columns."""
    from rich.table import Table
    from rich.text import Text

    found = groups(results)
    columns = _columns(found)
    padding = (0, 1 if box else 2, 0, 0)  # a box puts a space between columns
    made = Table(box=box, padding=padding, pad_edge=False, header_style="bold")
    made.add_column("run", overflow="fold", vertical="bottom")
    for heading, _ in columns:
        made.add_column(heading, justify="right", vertical="bottom")
    for group in found:
        made.add_row(Text(group.label), *(Text(cell(group)) for _, cell in columns))
    return made


def _columns(found: list[Group]) -> list[tuple[str, Callable[[Group], str]]]:
    """Headings and how their cells are written; seeds and status where they say something."""
    shown: list[tuple[str, Callable[[Group], str]]] = []
    shown += [(column.heading, partial(_cell, column)) for column in _shown(found)]
    if any(len(group.runs) > 1 for group in found):
        shown.insert(0, ("seeds", lambda group: str(len(group.runs))))
    if any(group.status != "done" for group in found):
        shown.append(("status", lambda group: group.status))
    return shown


def _shown(found: list[Group]) -> list[Column]:
    """Rounds, how far the runs came, and what it cost."""
    runs = [run for group in found for run in group.runs]
    reached = [c for c in REACHED if any(c.value(run.rows) is not None for run in runs)]
    return [ROUNDS, *(reached or [GRADIENT]), *COSTS]


def _cell(column: Column, group: Group) -> str:
    mean, std = spread(group, column)
    return MISSING if mean is None else column.format(mean, std)
