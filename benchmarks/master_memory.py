"""What a master holds above an idle psim process: d = 11,500,000, n = 20, EF21 with Top-1 %.

    python benchmarks/master_memory.py [D]

The idle process has opened the problem, made x^0 and loaded the compiled kernels, as every process
that runs with vectors of this length has before its first round; numba alone is some 100 MB. Then
the same process runs 10 rounds as the master of 20 ranks in 2 other processes, ``init:
compressed``, ``downlink: update``, and the kernel's account says what it held at most (VmHWM). The
measure is 2 vectors (x and g) and one message per worker, of 8 bytes a value.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import still

from psim.config import parse
from psim.experiment import Opener, prepare
from psim.kernels import warm
from psim.launch.local import warm_up
from psim.launch.single import run
from psim.runtime import memory

WORKERS = 20
SHARE = 0.01


def main() -> None:
    """The growth, and what it is compared with."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 11_500_000
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    config = parse(
        {
            "rounds": 10,
            "workers": WORKERS,
            "processes": 2,
            "problem": still.problem(size),
            "method": {"name": "ef21", "init": "compressed", "downlink": "update"},
            "compressor": {"name": "topk", "k": "1%"},
            "step_size": 1e-3,
            "network": {"clock": "none"},
            "metrics": {"every": 10},
        }
    )
    warm_up()
    opener = Opener()
    prepare(config, opener)
    warm.prepare(size)
    memory.forget_peak()
    idle = memory.resident()
    with tempfile.TemporaryDirectory() as folder:
        run(config, Path(folder) / "run", opener=opener)
    peak = memory.peak()
    assert idle is not None, "needs the kernel's /proc"
    assert peak is not None
    measure = 2 * 4 * size + WORKERS * int(SHARE * size) * 8
    grown = peak - idle
    print(
        f"master, d = {size:,}, n = {WORKERS}: {grown / 1e6:.0f} MB above idle; 2 vectors and a ",
        end="",
    )
    print(f"message per worker are {measure / 1e6:.0f} MB: {grown / measure:.2f} times")


if __name__ == "__main__":
    main()
