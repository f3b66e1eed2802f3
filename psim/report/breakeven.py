"""Below which bandwidth compression pays, and where a round's time goes with it and without.

Both sides do the same work on this machine: the config's method and compressor, and SGD with
nothing compressed and the model broadcast densely. What each takes there is measured; what
messages of their sizes take on links of any bandwidth follows from the timeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from psim.compressors.identity import Identity
from psim.config import Config
from psim.experiment import Opener, prepare
from psim.methods.sgd import SGD
from psim.net.links import Link
from psim.net.timeline import Timeline
from psim.report.breakdown import seconds
from psim.report.drawing import COLOURS, style
from psim.report.figures import written
from psim.report.numbers import quantity
from psim.sim.measure import FEWEST, Costs, measure

if TYPE_CHECKING:
    from rich.box import Box
    from rich.table import Table

SLOWEST, FASTEST = 1e3, 1e12
"""bit/s: between these the break-even is looked for."""
HALVINGS = 60
SAVING = 0.01
"""The least share of the bytes, either way, that is a saving: heads of messages differ, too."""
PARTS = ("compute", "compress", "serialize", "uplink", "aggregate", "downlink", "wait")


@dataclass(frozen=True, slots=True)
class Side:
    """One way to run: its label, what a round of it costs, and the config's network."""

    label: str
    costs: Costs
    config: Config

    def round(self, bandwidth: float | None = None) -> dict[str, float]:
        """Seconds of each part of a mean round, in the order of `PARTS`. With a ``bandwidth``
        (bit/s) every worker's link has that, both ways; the rest is the config's.
        """
        costs, workers = self.costs, self.config.workers
        timeline = _timeline(self.config, bandwidth)
        had = timeline.broadcast(0.0, round(costs.down))
        ready = had + costs.gradient + costs.compress + costs.serialize
        arrived = timeline.gather(ready, np.full(workers, round(costs.up))).arrived
        return {
            "compute": costs.gradient,
            "compress": costs.compress,
            "serialize": costs.serialize + costs.serialize_at_master,
            "uplink": float((arrived - ready).mean()),
            "aggregate": costs.aggregate,
            "downlink": float(had.mean()),
            "wait": float(arrived.max() - arrived.mean()),
        }

    def seconds(self, bandwidth: float | None = None) -> float:
        """A whole round's."""
        return sum(self.round(bandwidth).values())


@dataclass(frozen=True, slots=True)
class Comparison:
    """The config's own side, and the one that compresses nothing."""

    compressed: Side
    plain: Side
    size: int
    """d."""

    @property
    def bandwidth(self) -> float:
        """bit/s of every worker's link below which a compressed round is the shorter one; 0 where
        it never is, infinite where it is at any bandwidth from 1 kbit/s to 1 Tbit/s.
        """
        if not (self._saves() and self._pays(SLOWEST)):
            return 0.0
        if self._pays(FASTEST):
            return inf
        low, high = np.log(SLOWEST), np.log(FASTEST)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._pays(float(np.exp(middle))) else (low, middle)
        return float(np.exp(low))

    def _pays(self, bandwidth: float) -> bool:
        return self.compressed.seconds(bandwidth) < self.plain.seconds(bandwidth)

    def _saves(self) -> bool:
        """Whether fewer bytes travel. Where they do not, times differ by this machine's noise."""
        mine, other = self.compressed.costs, self.plain.costs
        return mine.up < (1 - SAVING) * other.up or mine.down < (1 - SAVING) * other.down

    def line(self) -> str:
        """The answer in one line."""
        at = self.bandwidth
        if not self._saves():
            answer = "nothing is compressed: as many bytes travel as with plain SGD"
        elif at == 0:
            answer = "compression does not pay at any bandwidth from 1 kbit/s"
        elif at == inf:
            answer = "compression pays at any bandwidth up to 1 Tbit/s"
        else:
            answer = f"compression pays below {quantity(at, unit='bit/s')}"
        mine, other = (quantity(side.seconds(), unit="s") for side in (self.compressed, self.plain))
        config = self.compressed.config
        who = f"{config.method.name}, {config.compressor.name}, n = {config.workers}"
        here = f"on this network a round takes {mine}, and {other} uncompressed"
        return f"{self.compressed.label} ({who}, d = {self.size:,}): {answer}; {here}"


def compare(config: Config, label: str, rounds: int, opener: Opener) -> Comparison:
    """Measure both sides over ``rounds`` rounds, at least `FEWEST`. Raises as a run does."""
    changed = config.model_copy(
        update={
            "rounds": max(FEWEST, rounds),
            "epochs": None,
            "transport": "inproc",
            "metrics": type(config.metrics)(every=max(FEWEST, rounds)),
            "evaluate": None,
            "stop": type(config.stop)(),
            "network": config.network.model_copy(update={"clock": "virtual"}),
        }
    )
    plain: dict[str, object] = {"method": SGD(), "compressor": Identity(), "optimizer": None}
    if config.step_size.value is None:
        plain["step_size"] = config.step_size.model_copy(update={"rule": "inverse_L"})
    mine, other = prepare(changed, opener), prepare(changed.model_copy(update=plain), opener)
    costs = [measure(mine), measure(other)]
    # The gradient is the same work on both sides: what differs is this machine's noise.
    same = min(each.gradient for each in costs)
    sides = [replace(each, gradient=same) for each in costs]
    return Comparison(
        Side(label, sides[0], changed), Side("plain SGD", sides[1], changed), mine.setup.size
    )


def table(comparisons: Iterable[Comparison], box: Box | None) -> Table:
    """Where a round's time goes: a line a part, a column a side."""
    from rich.table import Table

    sides = _sides(comparisons)
    made = Table(box=box, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    made.add_column("mean round")
    for side in sides:
        made.add_column(side.label, justify="right")
    found = [side.round() for side in sides]
    for part in PARTS:
        made.add_row(part, *(seconds(each[part]) for each in found))
    made.add_row("the round", *(seconds(sum(each.values())) for each in found))
    made.add_row("bytes up", *(quantity(side.costs.up, unit="B") for side in sides))
    made.add_row("bytes down", *(quantity(side.costs.down, unit="B") for side in sides))
    return made


def figure(comparisons: Iterable[Comparison]) -> Figure:
    """A stacked bar a side."""
    sides = _sides(comparisons)
    with style():
        drawn = Figure(figsize=(7.0, 1.8 + 0.4 * len(sides)), layout="constrained")
        axes = drawn.subplots()
        left = np.zeros(len(sides))
        rounds = [side.round() for side in sides]
        for part, colour in zip(PARTS, COLOURS, strict=True):
            widths = np.array([each[part] for each in rounds])
            axes.barh(range(len(sides)), widths, left=left, color=colour, label=part, height=0.6)
            left += widths
        axes.set_yticks(range(len(sides)), [side.label for side in sides])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("seconds of a round")
        drawn.legend(loc="outside lower center", ncols=4, handlelength=1.4, columnspacing=1.6)
    return drawn


def save(comparisons: list[Comparison], paths: Iterable[Path]) -> list[Path]:
    """Write `figure` to each path, as PNG or PDF by its suffix, and return the paths."""
    return written(lambda: figure(comparisons), paths)


def _sides(comparisons: Iterable[Comparison]) -> list[Side]:
    """The compressed ones, and after them the plain one of each different problem and network."""
    found = list(comparisons)
    first: dict[str, Comparison] = {}
    for each in found:
        config = each.plain.config
        first.setdefault(repr((config.workers, config.problem, config.network)), each)
    plains = [each.plain for each in first.values()]
    if len(plains) > 1:
        plains = [
            replace(each.plain, label=f"{each.plain.label}, as {each.compressed.label}")
            for each in first.values()
        ]
    return [*(each.compressed for each in found), *plains]


def _timeline(config: Config, bandwidth: float | None) -> Timeline:
    """The config's links without what is drawn at random, of the bandwidth given."""
    network, workers = config.network, config.workers
    up, down = (
        [Link(link.bandwidth or inf, link.latency or 0.0) for link in network.links(way, workers)]
        for way in ("uplink", "downlink")
    )
    if bandwidth is not None:
        up, down = ([replace(link, bandwidth=bandwidth) for link in links] for links in (up, down))
    return Timeline(up, down, network.shared("uplink"), network.shared("downlink"), network.mtu)
