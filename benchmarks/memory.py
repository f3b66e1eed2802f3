"""How much memory a worker takes beyond the model, its gradient and the method's state.

    python benchmarks/memory.py [LAYERS]

Trains 25 (or LAYERS) linear layers of a million parameters each, float32, with one worker in a
process of its own, and compares the most memory that it held in the rounds with what it held once
its data were loaded: both are in summary.json, from the kernel's own account (VmHWM, VmRSS). What
that grew by is x (the model), the gradient, the method's state, and the rest: that rest is printed
in vectors of size d. Part of it are one layer's own gradient, 1/LAYERS of a vector; pages of code
that are first touched in the rounds (some 20 MB); and freed buffers below 32 MiB that the C library
keeps for the next ones (30 to 40 MB here, of layers' gradients and of selections). The layers are
copied to the worker through shared memory, of which a container has little: --shm-size 1g.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import TensorDataset

import psim

WIDTH = 1000
CASES: list[tuple[str, dict[str, object], dict[str, object], int]] = [
    ("SGD, dense", {"name": "sgd"}, {"name": "identity"}, 0),
    ("EF21, Top-1 %", {"name": "ef21", "downlink": "update"}, {"name": "topk", "k": "1%"}, 2),
    ("EF, Top-1 %", {"name": "ef_sgd", "downlink": "update"}, {"name": "topk", "k": "1%"}, 1),
    ("EF, hard threshold", {"name": "ef_sgd"}, {"name": "hard_threshold", "threshold": 1e-3}, 1),
    ("DEF, RBGS 1/64", {"name": "def", "momentum": 0.9}, {"name": "rbgs", "ratio": 64}, 2),
]
"""A label, the method, the compressor, and how many vectors of size d the method keeps: EF21 g_i
and, as updates travel, g; EF e_i; DEF e_i and its momentum.
"""


def network(layers: int) -> nn.Module:
    """Linear layers of a million parameters: activations are nothing beside them."""
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(layers)))


def vectors_beyond(
    layers: int, method: dict[str, object], compressor: dict[str, object], state: int
) -> float:
    """What a worker's memory grew by, in vectors, beyond x, the gradient and the state."""
    inputs = torch.randn(8, WIDTH)
    problem = psim.TorchProblem(network(layers), TensorDataset(inputs, inputs), loss="mse")
    config = {
        "rounds": 4,
        "workers": 1,
        "processes": 1,
        "problem": {"batch": 4},
        "method": method,
        "compressor": compressor,
        "step_size": 1e-6,
        "metrics": {"every": 4},
    }
    with tempfile.TemporaryDirectory() as folder:
        found = psim.run(config, problem=problem, out=Path(folder) / "run").summary
    (held,) = found["memory"].values()
    grown = held["peak"] - held["loaded"]
    return float(grown / (4 * found["size"]) - 2 - state)


def main() -> None:
    """Print a line a case."""
    layers = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    print(f"d = {layers * WIDTH**2:,}, float32: vectors of size d beyond x, gradient and state")
    for label, *case in CASES:
        print(f"{label:<22} {vectors_beyond(layers, *case):5.2f}", flush=True)


if __name__ == "__main__":
    main()
