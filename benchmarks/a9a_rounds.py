"""Rounds per second of EF21 with Top-1 on a9a, n = 20: psim over TCP against a plain loop.

The other side is a careful single-process loop of the same algorithm in numpy and scipy: the same
shards, step size, dtype and number of rounds, CSR products both ways, no messages at all. It
emulates no network, and so psim does not either (``clock: none``); what the config's own network
costs, with every rank's computing measured, is printed below, from one run. The two take turns, and
medians are printed with their ratio.

    PSIM_DATA=... python benchmarks/a9a_rounds.py [runs] [processes]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import psim
from psim.config import load, parse
from psim.data.partition import partition
from psim.data.read import read_rows
from psim.experiment import prepare
from psim.plan import override

ROUNDS = 2000
CONFIG = Path(__file__).parents[1] / "configs" / "a9a.yaml"


def document() -> dict[str, object]:
    """The config with full start and a row every 100 rounds."""
    found = load(CONFIG)
    for key, value in {"rounds": ROUNDS, "method.init": "full", "metrics.every": 100}.items():
        override(found, key, value)
    return found


def psim_rate(processes: int, **changes: object) -> float:
    """Rounds per second over TCP, from the first recorded round to the last."""
    with tempfile.TemporaryDirectory() as folder:
        asked = {**document(), "processes": processes, **changes}
        rows = psim.run(asked, out=Path(folder) / "run").rows
        rounds, wall = rows["round"], rows["wall"]
        return float((rounds[-1] - rounds[1]) / (wall[-1] - wall[1]))


def plain_rate(step_size: float) -> float:
    """Rounds per second of the loop."""
    rows, n = read_rows("a9a"), 20
    shards = []
    for cut in partition(rows.count, n, "contiguous", 0):
        share = rows.take(cut)
        signed = share.features.multiply(share.labels[:, None]).tocsr()
        shards.append((signed, signed.T.tocsr(), signed.shape[0]))

    def gradient(worker: int, x: np.ndarray) -> np.ndarray:
        matrix, transposed, count = shards[worker]
        margins = matrix @ x
        np.exp(margins, out=margins)
        margins += 1.0
        np.divide(-1.0 / count, margins, out=margins)
        square = 1.0 + x * x
        return transposed @ margins + 0.2 * x / (square * square)

    x = np.zeros(rows.size)
    estimates = [gradient(worker, x) for worker in range(n)]
    mean = sum(estimates) / n
    began = time.perf_counter()
    for _ in range(ROUNDS):
        x = x - step_size * mean
        update = np.zeros(rows.size)
        for worker in range(n):
            difference = gradient(worker, x) - estimates[worker]
            largest = np.argmax(np.abs(difference))
            estimates[worker][largest] += difference[largest]
            update[largest] += difference[largest]
        mean = mean + update / n
    return ROUNDS / (time.perf_counter() - began)


def main() -> None:
    """Print a line a run, then the medians."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    step_size = prepare(parse(document(), CONFIG.parent)).setup.step_size
    pairs = []
    for _ in range(runs):
        pairs.append((psim_rate(processes, network={"clock": "none"}), plain_rate(step_size)))
        print(f"psim over TCP {pairs[-1][0]:.0f} rounds/s, plain loop {pairs[-1][1]:.0f}")
    ours, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        f"medians of {runs}, {processes} processes: {ours:.0f} and {plain:.0f} rounds/s, "
        f"ratio {ratio:.2f}"
    )
    print(f"with the network emulated, one run: {psim_rate(processes):.0f} rounds/s")


if __name__ == "__main__":
    main()
