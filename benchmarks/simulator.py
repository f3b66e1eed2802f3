"""The simulator: what a round costs, from ten workers to a million, and how well it predicts.

Logistic regression on shards of 50 rows of a9a, d = 123, Top-1, `transport: inproc`: EF21 with all
workers in every round, and EF21-PP with 1,000 that are drawn. Each case runs in a process of its
own and is measured in five parts; medians are printed, by the clock and by the processor's time,
which other programs disturb less. Memory is the process's largest, with Python and its libraries.

The predictions: emulated seconds a round, simulated here, against those that pass over TCP on the
real clock with a process for each worker; both measure what computing takes.

    PSIM_DATA=... python benchmarks/simulator.py [--quick] [--only costs|predictions]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from psim.config import parse
from psim.experiment import prepare
from psim.launch import local, single
from psim.sim.simulate import simulate

PARTS = 5
SOME = 1_000
REACH = {(10_000, 10_000): 10.0, (1_000_000, SOME): 20.0}
"""Rounds per second, by workers and participants."""
LINKS: dict[str, Any] = {
    "uplink": {"bandwidth": "10 Mbit/s", "latency": "20 ms"},
    "downlink": {"bandwidth": "100 Mbit/s", "latency": "20 ms"},
}


@dataclass(frozen=True, slots=True)
class Case:
    """``participants`` of ``workers`` in a round; each part has so many ``rounds``."""

    workers: int
    participants: int
    rounds: int

    def document(self) -> dict[str, Any]:
        """The config."""
        whole = {
            "name": "simulator",
            "rounds": (PARTS + 1) * self.rounds,
            "workers": self.workers,
            "transport": "inproc",
            "problem": {"name": "logistic", "dataset": "a9a", "partition": "pool", "rows": 50},
            "method": {"name": "ef21"},
            "compressor": {"name": "topk", "k": 1},
            "step_size": 0.1,
            "network": LINKS,
            "metrics": {"every": (PARTS + 1) * self.rounds},
        }
        if self.participants == self.workers:
            return whole
        fraction = self.participants / self.workers
        return {
            **whole,
            "method": {"name": "ef21_pp", "init": "zero"},
            "participation": {"kind": "sampled", "fraction": fraction},
        }


class Ended(Exception):
    """There have been enough rounds."""


class Watch:
    """An observer that reads the clocks at the beginning of each part."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self.read: dict[int, tuple[float, float]] = {}
        self.memory = 0

    def started(self) -> None: ...

    def round(self, number: int, instant: float | None) -> None:
        part = number // self._rounds
        if number % self._rounds == 0 and part not in self.read:
            self.read[part] = (time.perf_counter(), time.process_time())
            self.memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if part > PARTS:  # the last row would have all workers diagnosed
            raise Ended

    def recorded(self, entry: object) -> None: ...

    def log(self, line: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds a round, by the clock and of processor time; the largest memory in bytes."""

    elapsed: float
    processor: float
    memory: int


def cost(case: Case) -> Cost:
    """Medians over the parts; the one before them, in which caches fill, counts for nothing."""
    watch = Watch(case.rounds)
    experiment = prepare(parse(case.document()))
    with suppress(Ended):
        simulate(experiment, watch)
    seconds = [
        [(late - early) / case.rounds for early, late in zip(*both, strict=True)]
        for both in pairwise(watch.read[part] for part in range(1, PARTS + 2))
    ]
    elapsed, processor = map(statistics.median, zip(*seconds, strict=True))
    return Cost(elapsed, processor, watch.memory)


def costs(quick: bool) -> Iterator[tuple[Case, Cost]]:
    """All cases, each in a fresh process."""
    cases = [Case(n, n, max(1, min(100, 100_000 // n))) for n in (10, 100, 1_000, 10_000)]
    cases += [Case(n, SOME, 20) for n in (10_000, 100_000)]
    if not quick:
        cases += [Case(100_000, 100_000, 2), Case(1_000_000, 1_000_000, 1)]
    cases.append(Case(1_000_000, SOME, 20))
    for case in cases:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            yield case, alone.submit(cost, case).result()


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds a round, simulated and over TCP; and of these, how long a rank computes on average,
    as the one measures it (its thread's time) and as the other does (time that passes).
    """

    workers: int
    simulated: float
    passed: float
    computing: tuple[float, float]


def predictions() -> Iterator[Prediction]:
    """Of 4, 8 and 16 workers, medians of five times 20 rounds."""
    local.warm_up()
    with tempfile.TemporaryDirectory() as name:
        for workers in (4, 8, 16):
            document = {
                "rounds": 120,
                "workers": workers,
                "problem": {"name": "logistic", "dataset": "a9a"},
                "method": {"name": "ef21"},
                "compressor": {"name": "topk", "k": 1},
                "metrics": {"every": 20},
            }
            folder = Path(name) / str(workers)
            virtual = {"transport": "inproc", "network": LINKS}
            simulated = _rows({**document, **virtual}, folder / "virtual")
            real = {"processes": workers, "network": {**LINKS, "clock": "real"}}
            passed = _rows({**document, **real}, folder / "real")
            yield Prediction(
                workers,
                _a_round(simulated, "time"),
                _a_round(passed, "wall"),
                (_computing(simulated), _computing(passed)),
            )


def _rows(document: dict[str, Any], folder: Path) -> list[dict[str, float]]:
    single.run(parse(document), folder)
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


def _computing(rows: list[dict[str, float]]) -> float:
    return statistics.median(row["compute_mean"] for row in rows[2:])


def _a_round(rows: list[dict[str, float]], key: str) -> float:
    """The median over the rows from the second one on."""
    return statistics.median(
        (late[key] - early[key]) / (late["round"] - early["round"])
        for early, late in pairwise(rows[1:])
    )


def print_costs(quick: bool) -> None:
    """The table, then what was to be reached."""
    print("| workers | in a round | ms a round | processor, ms | µs a participant | memory |")
    print("|--:|--:|--:|--:|--:|--:|")
    reached = []
    for case, found in costs(quick):
        each = 1e6 * found.processor / case.participants
        print(
            f"| {case.workers:,} | {case.participants:,} | {1e3 * found.elapsed:.2f} "
            f"| {1e3 * found.processor:.2f} | {each:.1f} | {found.memory / 1e6:.0f} MB |",
            flush=True,
        )
        wanted = REACH.get((case.workers, case.participants))
        if wanted is not None:
            reached.append(
                f"n = {case.workers:,}, {case.participants:,} a round: {1 / found.elapsed:.1f} "
                f"rounds/s, {1 / found.processor:.1f} by processor time (reach {wanted:g})"
            )
    print("\n" + "\n".join(reached) + "\n")


def print_predictions() -> None:
    """The table."""
    print("| workers | simulated | real clock | error | computing, simulated | real clock |")
    print("|--:|--:|--:|--:|--:|--:|")
    for each in predictions():
        here, there = each.computing
        print(
            f"| {each.workers} | {1e3 * each.simulated:.2f} ms | {1e3 * each.passed:.2f} ms "
            f"| {100 * (each.simulated / each.passed - 1):+.2f} % | {1e3 * here:.2f} ms "
            f"| {1e3 * there:.2f} ms |",
            flush=True,
        )


def main() -> None:
    """Print both tables."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true", help="leave out the longest cases")
    arguments.add_argument("--only", choices=("costs", "predictions"))
    given = arguments.parse_args()
    if given.only != "predictions":
        print_costs(given.quick)
    if given.only != "costs":
        print_predictions()
    print(f"\nload {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
