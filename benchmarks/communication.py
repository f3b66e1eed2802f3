"""What a round costs beside the gradient, against gloo's collectives on the same machine.

    python benchmarks/communication.py [--size D] [--runs R]

Three comparisons, both sides in the same run, medians over R runs (5):

- n = 4 processes, d = 11,500,000 float32, EF21 with Top-1 % and ``downlink: update``, against
  all_reduce of the dense vector over 4 ranks;
- the same with nothing compressed (SGD), against the same all_reduce;
- n = 20 processes, d = 123, EF21 with Top-1, against broadcast and gather of 123 floats over 20
  processes.

For the long vectors a network differentiates nothing (`still`), but its gradient of d floats still
passes through autograd into a vector of zeros, in all processes at once. That is timed by itself,
in as many processes and the same run, and a second ratio leaves it out: that of what a round is
beside its gradient. For d = 123 it is a quadratic, whose gradient is one product of a matrix of 123
rows: some microseconds, and part of psim's time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

import gloo
import still

import psim
from psim.launch.pages import inherited

FOLDER = Path(__file__).parent


def config(size: int, workers: int, rounds: int, **others: object) -> dict[str, object]:
    """Real processes, nothing emulated, nothing recorded on the way."""
    return {
        "rounds": rounds,
        "workers": workers,
        "processes": workers,
        "problem": still.problem(size),
        "step_size": 1e-3,
        "network": {"clock": "none"},
        "metrics": {"every": rounds // 4},
        **others,
    }


def round_seconds(document: dict[str, object]) -> float:
    """Wall seconds of a round, from the first recorded one to the last."""
    with tempfile.TemporaryDirectory() as folder:
        rows = psim.run(document, out=Path(folder) / "run").rows
        rounds, wall = rows["round"], rows["wall"]
        return float((wall[-1] - wall[1]) / (rounds[-1] - rounds[1]))


def compare(
    label: str,
    document: dict[str, object],
    other: tuple[gloo.Collective, int, int, int],
    runs: int,
    apart: bool = False,
) -> None:
    """Print both sides' medians and their ratio; with the gradient ``apart``, also the ratio
    without it.
    """
    _, ranks, size, times = other
    mine, theirs, gradients = [], [], []
    for _ in range(runs):
        mine.append(round_seconds(document))
        theirs.append(gloo.seconds(*other))
        if apart:
            with inherited():  # the large pages that psim's workers ask for
                gradients.append(gloo.seconds(still.differentiate, ranks, size, times))
    a, b = statistics.median(mine), statistics.median(theirs)
    print(f"{label:<46} psim {1e3 * a:8.2f} ms   gloo {1e3 * b:8.2f} ms   {a / b:5.2f} times")
    if apart:
        c = statistics.median(gradients)
        rest = f"psim {1e3 * (a - c):8.2f} ms   {'':16} {(a - c) / b:5.2f} times"
        print(f"{f'  without the gradient, {1e3 * c:.1f} ms':<46} {rest}")


def main() -> None:
    """All three."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=11_500_000)
    parser.add_argument("--runs", type=int, default=5)
    wanted = parser.parse_args()
    os.environ["PYTHONPATH"] = f"{FOLDER}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    reduce = (gloo.all_reduce, 4, wanted.size, 20)
    update = {"name": "ef21", "downlink": "update"}
    compare(
        f"Top-1 %, n = 4, d = {wanted.size:,}: all_reduce",
        config(wanted.size, 4, 40, method=update, compressor={"name": "topk", "k": "1%"}),
        reduce,
        wanted.runs,
        apart=True,
    )
    compare(
        f"dense, n = 4, d = {wanted.size:,}: all_reduce",
        config(wanted.size, 4, 20, method={"name": "sgd"}),
        reduce,
        wanted.runs,
        apart=True,
    )
    compare(
        "Top-1, n = 20, d = 123: broadcast and gather",
        config(
            123,
            20,
            2000,
            problem={"name": "quadratic", "dimension": 123},
            method={"name": "ef21"},
            compressor={"name": "topk", "k": 1},
        ),
        (gloo.broadcast_and_gather, 20, 123, 200),
        wanted.runs,
    )


if __name__ == "__main__":
    main()
