"""Coded indices: bits against the entropy bound and raw integers, and MB/s each way.

Positions are uniform, the worst case, in d = 11,500,000 entries. Speeds are of raw int32 indices
that become a string, or come out of one as int64, in CPU time of one core; medians. The last line
is a whole Top-1 % message with float32 values against int32 and float32, header included.

    python benchmarks/index_coding.py [runs]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from math import lgamma, log

import numpy as np
import torch

from psim.vectors import Sparse
from psim.wire import golomb, kernel
from psim.wire.encode import encode
from psim.wire.messages import Kind, Packet

SIZE = 11_500_000
RATIOS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.015, 0.02, 0.0345, 0.04, 0.05, 0.1, 0.2, 0.25, 0.3)
LEAST = 0.02
"""Seconds that a timed run takes at least: short lists are coded several times."""


def bound(count: int) -> float:
    """log2 C(d, k), in bits."""
    logarithm = lgamma(SIZE + 1) - lgamma(count + 1) - lgamma(SIZE - count + 1)
    return logarithm / log(2)


def uniform(count: int) -> np.ndarray:
    """So many positions, increasing."""
    return np.sort(np.random.default_rng(count).choice(SIZE, count, replace=False))


def seconds(work: Callable[[], object], runs: int) -> float:
    """CPU seconds of one call: the median of some runs."""
    work()
    began = time.process_time()
    work()
    times = 1 + int(LEAST / max(time.process_time() - began, 1e-6))
    found = []
    for _ in range(runs):
        began = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - began) / times)
    return statistics.median(found)


def line(ratio: float, runs: int) -> str:
    """A row of the table."""
    count = round(SIZE * ratio)
    indices = uniform(count)
    parameter, written = kernel.encode(indices)
    code, body = golomb.code(parameter), written.tobytes()
    raw = 4e-6 * count
    out = raw / seconds(lambda: kernel.encode(indices), runs)
    back = raw / seconds(lambda: kernel.decode(body, count, SIZE, code), runs)
    bits, least = 8 * len(body) / count, bound(count) / count
    return (
        f"| {100 * ratio:g} % | {count:,} | {code.divisor} | {least:.3f} | {bits:.3f} "
        f"| {100 * (bits / least - 1):.2f} % | {bits / 32:.3f} | {out:,.0f} | {back:,.0f} |"
    )


def main() -> None:
    """Print the table, then the message."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("| k/d | k | M | bound, bits per index | coded | above | of int32 | MB/s out | MB/s in |")
    print("|---|---|---|---|---|---|---|---|---|")
    for ratio in RATIOS:
        print(line(ratio, runs), flush=True)
    count = SIZE // 100
    values = torch.randn(count, generator=torch.Generator().manual_seed(0))
    payload = Sparse(SIZE, torch.from_numpy(uniform(count)), values)
    nbytes = encode(Packet(Kind.MESSAGE, 100, 3, (payload,))).size.framed
    ratio = nbytes / (8 * count)
    print(f"\nTop-1 % message: {nbytes:,} B framed, {ratio:.4f} times int32 + float32; {runs} runs")


if __name__ == "__main__":
    main()
