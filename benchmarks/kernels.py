"""Selection and fused steps on one core, against what torch and numpy do with the same vectors.

    python benchmarks/kernels.py [--runs 5] [--small] [--grid]

Both sides take turns; figures are medians of CPU time. Top-k against torch.topk, which keeps no
order and no rule for ties; EF21's and error feedback's step against the same in plain torch; the
hard threshold; the mean of 20 sparse messages; codes of all entries, packed, and their values added
to a vector. Before these, awkward vectors against a random one.
``--grid`` compares Top-k with its whole contract (magnitudes, ties, ascending indices, values)
built on np.argpartition and on torch.topk, whichever is faster, over sizes and shares. These two
take the fastest run of each.
``--small`` has d = 13.29e6 in place of 132.9e6, which takes 4 GB, and leaves 1e8 out of the grid.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch

from psim import vectors
from psim.compressors.base import Compressor
from psim.compressors.hard_threshold import HardThreshold
from psim.compressors.natural import Natural
from psim.compressors.qsgd import QSGD
from psim.compressors.sign import Sign
from psim.compressors.topk import TopK, largest
from psim.kernels import warm
from psim.step import Step
from psim.vectors import Sparse, add_, subtract_

Work = Callable[[], object]

STEP = Step(0, 0.1, 1, 0, 0)
LEAST = 2e-3
"""Seconds that a timed run takes at least: what is short is done several times."""
SIZES = (10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
SHARES = (1e-6, 1e-4, 0.001, 0.01, 0.1, 0.5)


def measured(sides: Mapping[str, Work], runs: int) -> dict[str, list[float]]:
    """CPU seconds of one call of each, in turns."""
    times = {}
    for name, work in sides.items():
        work()
        began = time.process_time()
        work()
        times[name] = 1 + int(LEAST / max(time.process_time() - began, 1e-7))
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, work in sides.items():
            began = time.process_time()
            for _ in range(times[name]):
                work()
            found[name].append((time.process_time() - began) / times[name])
    return found


def medians(sides: Mapping[str, Work], runs: int) -> dict[str, float]:
    """CPU seconds of one call of each."""
    return {name: statistics.median(each) for name, each in measured(sides, runs).items()}


def fastest(sides: Mapping[str, Work], runs: int) -> dict[str, float]:
    """CPU seconds of the fastest call of each: what other programs do to the caches is left out."""
    return {name: min(each) for name, each in measured(sides, runs).items()}


def row(title: str, ours: Work, theirs: Work, runs: int, reach: float | None = None) -> float:
    """Print a line; psim's seconds."""
    found = medians({"ours": ours, "theirs": theirs}, runs)
    ratio = found["theirs"] / found["ours"]
    verdict = "" if reach is None else f"  reach {reach:g}: {'met' if ratio >= reach else 'missed'}"
    print(
        f"{title:<52} {1e3 * found['ours']:8.2f} ms {1e3 * found['theirs']:9.2f} ms "
        f"{ratio:6.1f} times{verdict}"
    )
    return found["ours"]


def normal(size: int, seed: int = 0) -> torch.Tensor:
    """Float32."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(size, dtype=np.float32))


def selection(runs: int) -> None:
    """Top-k at d = 11.5e6, and its share of what memory allows."""
    vector = normal(11_500_000)
    other = torch.empty_like(vector)
    copying = medians({"copy": lambda: other.copy_(vector)}, runs)["copy"]
    for share, reach in ((0.001, None), (0.01, 25.0)):
        k = int(share * vector.numel())
        took = row(
            f"Top-k, d = 11.5e6, k/d = {share:.1%}, torch.topk",
            partial(largest, vector, k),
            lambda k=k: torch.topk(vector.abs(), k, sorted=False),
            runs,
            reach,
        )
        bound = copying / 2  # a copy reads and writes
        speed = 8 * vector.numel() / copying / 1e9
        print(f"    that is {bound / took:.0%} of reading once at a copy's {speed:.0f} GB/s")


def ef21_step(size: int, runs: int, reach: float | None) -> None:
    """Difference, selection, accumulation; the same vectors on both sides, and none settles."""
    k = size // 100
    compressor, target, kept = TopK(k=k), normal(size), torch.zeros(size)
    theirs = kept.clone()

    def ours() -> None:
        payload, _ = compressor.compress_difference(target, kept, None, STEP)
        add_(kept, payload)

    def plain() -> None:
        change = target - theirs
        indices = torch.topk(change.abs(), k, sorted=False).indices
        theirs.index_add_(0, indices, change[indices])

    def unfused() -> None:
        payload, _ = compressor.compress(target - kept, None, STEP)
        add_(kept, payload)

    title = f"EF21 step, d = {size / 1e6:g}e6, k/d = 1%"
    row(f"{title}, plain torch", ours, plain, runs, reach)
    row(f"{title}, psim's parts one by one", ours, unfused, runs)


def feedback_step(size: int, runs: int) -> None:
    """e + γ g, selection, subtraction."""
    k = size // 100
    compressor, gradient, error = TopK(k=k), normal(size), torch.zeros(size)
    theirs = error.clone()

    def ours() -> None:
        payload, _ = compressor.compress_after_adding(error, gradient, 0.1, None, STEP)
        subtract_(error, payload)

    def plain() -> None:
        theirs.add_(gradient * 0.1)
        indices = torch.topk(theirs.abs(), k, sorted=False).indices
        theirs.index_fill_(0, indices, 0.0)

    def unfused() -> None:
        payload, _ = compressor.compress(error.add_(gradient * 0.1), None, STEP)
        subtract_(error, payload)

    title = f"error feedback step, d = {size / 1e6:g}e6, k/d = 1%"
    row(f"{title}, plain torch", ours, plain, runs)
    row(f"{title}, psim's parts one by one", ours, unfused, runs)


def others(runs: int) -> None:
    """The hard threshold, and the mean of sparse messages."""
    size, count = 11_500_000, 20
    vector, threshold = normal(size), HardThreshold(threshold=2.5758)

    def plain() -> None:
        kept = torch.nonzero(vector.abs() >= 2.5758).flatten()
        vector.index_select(0, kept)

    ours = lambda: threshold.compress(vector, None, STEP)  # noqa: E731
    row("hard threshold, d = 11.5e6, 1% kept, torch", ours, plain, runs)

    random, total = np.random.default_rng(1), torch.zeros(size)
    payloads = []
    for seed in range(count):
        indices = torch.from_numpy(np.sort(random.choice(size, size // 100, replace=False)))
        payloads.append(Sparse(size, indices, normal(size // 100, seed)))

    def dense() -> None:
        total.zero_()
        for payload in payloads:
            total.index_add_(0, payload.indices, payload.values)
        support = torch.unique(torch.cat([payload.indices for payload in payloads]))
        total[support].div_(count)

    ours = lambda: vectors.mean(payloads, count, total)  # noqa: E731
    row("mean of 20 Top-1% messages, d = 11.5e6, torch", ours, dense, runs)


def signs_with_torch(vector: torch.Tensor) -> tuple[np.ndarray, torch.Tensor]:
    """Packed signs and the mean magnitude; torch packs no bits, numpy does."""
    return np.packbits((vector >= 0).numpy(), bitorder="little"), vector.abs().mean()


def add_signs_with_torch(total: torch.Tensor, bits: np.ndarray, scale: torch.Tensor) -> None:
    """Their values, added."""
    flags = torch.from_numpy(np.unpackbits(bits, count=total.numel(), bitorder="little"))
    total.add_(torch.where(flags == 1, scale, -scale))


def levels_with_torch(vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """QSGD of 7 levels: two codes a byte, and the unit."""
    unit = vector.norm() / 7
    ratio = (vector / unit).abs()
    lower = ratio.floor()
    codes = lower.add_(torch.rand_like(ratio) < ratio - lower).clamp_(max=7).copysign_(vector)
    codes = codes.to(torch.int8)
    return codes[::2] & 15 | codes[1::2] << 4, unit


def add_levels_with_torch(total: torch.Tensor, pairs: torch.Tensor, unit: torch.Tensor) -> None:
    """Their values, added."""
    codes = torch.stack([pairs << 4 >> 4, pairs >> 4], 1).flatten()
    total.add_(codes * unit)


def powers_with_torch(vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Natural compression: signs and exponents, of 9 bits, in 16 each."""
    fraction, exponent = torch.frexp(vector.abs())
    power = exponent - 1 + (torch.rand_like(fraction) < 2 * fraction - 1)
    top = power.max()
    return (top - power).clamp_(max=255).add_((vector < 0) * 256).to(torch.int16), top


def add_powers_with_torch(total: torch.Tensor, codes: torch.Tensor, top: torch.Tensor) -> None:
    """Their values, added."""
    values = torch.pow(2.0, top - (codes & 255))
    total.add_(torch.where(codes >= 256, -values, values))


def quantizers(runs: int) -> None:
    """Codes of all entries with what they are multiples of, as they travel, and adding them."""
    size = 11_500_000
    vector, total = normal(size), torch.zeros(size)
    cases: list[tuple[str, Compressor, Callable[..., tuple[object, ...]], Callable[..., None]]] = [
        ("sign, 1 bit", Sign(), signs_with_torch, add_signs_with_torch),
        ("QSGD, 4 bits", QSGD(levels=7), levels_with_torch, add_levels_with_torch),
        ("natural, 9 bits", Natural(), powers_with_torch, add_powers_with_torch),
    ]
    for label, compressor, coded, added in cases:
        title = f"{label}, d = 11.5e6"
        row(title, partial(compressor.compress, vector, None, STEP), partial(coded, vector), runs)
        sent, theirs = compressor.compress(vector, None, STEP)[0], coded(vector)
        row(f"{title}, added", partial(add_, total, sent), partial(added, total, *theirs), runs)


def awkward(runs: int) -> None:
    """Other vectors against a random one: their times over its."""
    size = 4_000_000
    vector = normal(size).numpy()
    random = np.random.default_rng(2).random(size)
    cases = {
        "random": vector,
        "constant": np.ones_like(vector),
        "ascending": np.sort(np.abs(vector)),
        "descending": np.sort(-np.abs(vector)),
        "two values": np.where(random < 0.05, np.float32(2), np.float32(1)),
        "denormal": vector * np.float32(1e-40),
        "one huge": np.where(np.arange(size) == size // 3, np.float32(3e38), vector),
        "0.5% not 0": np.where(random < 0.005, vector, np.float32(0)),
        "40% not 0": np.where(random < 0.4, vector, np.float32(0)),
    }
    for share in (1e-4, 0.01, 0.1, 0.5):
        k = int(share * size)
        sides = {name: partial(largest, torch.from_numpy(case), k) for name, case in cases.items()}
        found = fastest(sides, 3 * runs)
        ratios = ", ".join(f"{n} {t / found['random']:.2f}" for n, t in found.items())
        print(f"Top-k, d = 4e6, k/d = {share:.2%}, times the random case: {ratios}")


def with_argpartition(vector: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The contract on np.argpartition."""
    magnitude = np.abs(vector.numpy())
    place = magnitude.size - k
    threshold = magnitude[np.argpartition(magnitude, place)[place:]].min()
    above = np.flatnonzero(magnitude > threshold)
    tied = np.flatnonzero(magnitude == threshold)[: k - above.size]
    indices = torch.from_numpy(np.sort(np.concatenate([above, tied])))
    return indices, vector.index_select(0, indices)


def with_topk(vector: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The contract on torch.topk."""
    magnitude = vector.abs()
    threshold = torch.topk(magnitude, k, sorted=False).values.min()
    above = torch.nonzero(magnitude > threshold).flatten()
    tied = torch.nonzero(magnitude == threshold).flatten()[: k - above.numel()]
    indices = torch.cat([above, tied]).sort().values
    return indices, vector.index_select(0, indices)


def grid(sizes: tuple[int, ...], runs: int) -> None:
    """The contract's fastest other implementation over psim's time: below 1 it is slower."""
    worst = np.inf
    for dtype in (torch.float32, torch.float64):
        for size in sizes:
            vector = normal(size).to(dtype)
            line = []
            for share in SHARES:
                k = max(1, int(share * size))
                sides = {
                    "ours": partial(largest, vector, k),
                    "argpartition": partial(with_argpartition, vector, k),
                    "topk": partial(with_topk, vector, k),
                }
                found = fastest(sides, runs)
                ratio = min(found["argpartition"], found["topk"]) / found["ours"]
                line.append(f"{share:g}: {ratio:.1f}")
                worst = min(worst, ratio)
            print(
                f"Top-k, {str(dtype)[6:]}, d = {size:>11,}, times faster at k/d = "
                + ", ".join(line)
            )
    print(f"the least of them: {worst:.2f}")


def main() -> None:
    """Print all lines."""
    parser = argparse.ArgumentParser(description="selection and fused steps on one core")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="less memory")
    parser.add_argument("--grid", action="store_true", help="Top-k over sizes and shares, alone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warm.prepare(SIZES[-1])
    if given.grid:
        grid(SIZES[:-1] if given.small else SIZES, given.runs)
        return
    awkward(given.runs)  # before the heap is full of gaps, which cost some cases more than others
    print(f"{'one core, float32, medians of ' + str(given.runs):<52}        psim      the other")
    selection(given.runs)
    large = 13_290_000 if given.small else 132_900_000
    ef21_step(11_500_000, given.runs, None)
    ef21_step(large, given.runs, 40.0)
    feedback_step(11_500_000, given.runs)
    others(given.runs)
    quantizers(given.runs)


if __name__ == "__main__":
    main()
