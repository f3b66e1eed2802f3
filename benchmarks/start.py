"""How long 20 local workers take to start, against 20 processes that import torch.

    python benchmarks/start.py [runs]

psim forks its workers from one parent that has imported everything. Both sides start from nothing:
psim's time runs from the call to the instant at which the last of 20 worker processes has joined,
with the data open and the rounds about to begin; the other's until the last of 20 Python processes,
started at once, has imported torch and ended. Medians over 5 (or so many) runs that take turns.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

WORKERS = 20
SCRIPT = """
import sys, time
began = time.time()
import psim
config = {
    "rounds": 1, "workers": 20, "processes": 20,
    "problem": {"name": "logistic", "dataset": "breast_cancer"}, "method": "ef21",
    "compressor": {"name": "topk", "k": 1}, "network": {"clock": "none"},
}
if __name__ == "__main__":
    psim.run(config, out=sys.argv[1])
    print(began)
"""


def psim_seconds() -> float:
    """From a fresh Python process that calls psim.run, to "all 20 workers have joined"."""
    with tempfile.TemporaryDirectory() as folder:
        script, out = Path(folder, "start.py"), Path(folder, "run")
        script.write_text(SCRIPT)
        done = subprocess.run(
            [sys.executable, script, out], check=True, capture_output=True, text=True
        )
        joined = re.search(r"^(\S+) all 20 workers", (out / "log.txt").read_text(), re.MULTILINE)
        assert joined is not None
        return datetime.fromisoformat(joined[1]).timestamp() - float(done.stdout)


def torch_seconds() -> float:
    """20 processes at once that import torch."""
    began = time.perf_counter()
    others = [subprocess.Popen([sys.executable, "-c", "import torch"]) for _ in range(WORKERS)]
    for other in others:
        other.wait()
    return time.perf_counter() - began


def main() -> None:
    """Both sides' medians, and their ratio."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    mine, theirs = zip(*((psim_seconds(), torch_seconds()) for _ in range(runs)), strict=True)
    a, b = statistics.median(mine), statistics.median(theirs)
    print(
        f"start of {WORKERS} workers: psim {a:.2f} s, {WORKERS} x import torch {b:.2f} s: ", end=""
    )
    print(f"{a / b:.2f} times")


if __name__ == "__main__":
    main()
