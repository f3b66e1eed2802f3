"""Live progress: a bar a run with its round, ‖∇f‖², bytes and emulated time."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from psim.units import si

Row = dict[str, float | int | None]


class Bars:
    """Bars on stderr, one a run; where that is no terminal, nothing moves. ``rounds`` are 0 where
    they follow from the data.
    """

    def __init__(self, labels: list[str], rounds: list[int]) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:>6.0f}{task.fields[of]}"),
            TextColumn("{task.fields[state]}"),
            console=console,
            disable=not console.is_terminal,
        )
        width = max(map(len, labels))
        self._tasks = [
            self._progress.add_task(
                label.ljust(width),
                total=total or None,
                state="waiting",
                of=f"/{total}" if total else "",
            )
            for label, total in zip(labels, rounds, strict=True)
        ]

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def of(self, number: int) -> Bar:
        """The bar of the run of that number."""
        return Bar(self._progress, self._tasks[number])


class Bar:
    """One run's bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._rich, self._task = progress, task

    def progress(self, round: int, instant: float | None, row: Row | None) -> None:
        """Where the run is, and its last row."""
        self._rich.update(self._task, completed=round, state=_state(instant, row))


def _state(instant: float | None, row: Row | None) -> str:
    parts = []
    if row is not None and row["grad_norm_sq"] is not None:
        parts.append(f"‖∇f‖² {row['grad_norm_sq']:.2e}")
        parts.append(si((row["up_framed"] or 0) + (row["down_framed"] or 0), "B"))
    if instant is not None:
        parts.append(f"{instant:.1f} s emulated")
    return "  ".join(parts)
