"""Compiled code is loaded before workers are forked, and once for all."""

import subprocess
import sys

from psim.compiled import on_disk
from psim.kernels import selection, warm
from psim.kernels.choice import LONG

CALLS = """
import os
import sys
import numpy as np
from psim.kernels import warm
assert "numba" not in sys.modules
warm.prepare({size})
if {size} < {long}:
    assert "numba" not in sys.modules
    sys.exit()
from psim.kernels import selection, sums
threads = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 0
kernels = [selection._select, selection._pass, sums._add_at, sums._flag, sums._divide]
before = [len(kernel.signatures) for kernel in kernels]
for dtype in (np.float32, np.float64):
    vector = np.arange({size}, dtype=dtype)
    selection.largest(vector, 10)
    selection.largest_of_difference(vector, vector[::-1].copy(), 10)
    indices, values = selection.largest_of_sum(vector, vector.copy(), 0.5, 10)
    selection.at_least(vector, 3.0)
    sums.add_at(vector, indices, values)
    sums.mean_of_sparse({size}, [indices] * 2, [values] * 2, 2, np.dtype(dtype))
assert [len(kernel.signatures) for kernel in kernels] == before, "all were there"
assert not threads or len(os.listdir("/proc/self/task")) == threads
"""


def run(size: int) -> None:
    code = CALLS.format(size=size, long=LONG)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=250)


def test_after_warming_nothing_is_compiled_for_long_vectors_and_no_thread_runs() -> None:
    run(LONG)


def test_for_short_vectors_not_even_numba_is_imported() -> None:
    run(LONG - 1)


def test_what_was_compiled_is_found_on_the_disk() -> None:
    warm.prepare(LONG)
    assert on_disk(selection._select)
