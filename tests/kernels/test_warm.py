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
from psim.compressors.natural import Natural
from psim.compressors.one_bit import OneBit
from psim.compressors.qsgd import QSGD
from psim.compressors.rounding import Rounding
from psim.kernels import bits, dequantize, norms, philox, quantize, selection, sums
from psim.step import Step
from psim.vectors import add_, torch
threads = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 0
kernels = [selection._select, selection._pass, sums._add_at, sums._mark, sums._divide]
kernels += [sums._subtract_scaled]
kernels += [philox.following, bits.pack, bits.unpack, norms._largest, norms._folded]
kernels += [dequantize.uniform, dequantize.of_two, dequantize.exponents]
kernels += [quantize.signs, quantize.nearest, quantize.neighbours, quantize.exponents]
quantizers = [OneBit(), QSGD(levels=3, bucket=700), Natural(), Rounding(epsilon=1.0)]
quantizers += [Rounding(epsilon=1.0, mode="nearest")]
before = [len(kernel.signatures) for kernel in kernels]
for dtype in (np.float32, np.float64):
    vector = np.arange({size}, dtype=dtype)
    selection.largest(vector, 10)
    selection.largest_of_difference(vector, vector[::-1].copy(), 10)
    indices, values = selection.largest_of_sum(vector, vector.copy(), 0.5, 10)
    selection.at_least(vector, 3.0)
    sums.add_at(vector, indices, values)
    sums.mean_of_sparse({size}, [indices] * 2, [values] * 2, 2, np.dtype(dtype))
    sums.subtract_scaled(vector, vector.copy(), 0.5)
    for quantizer in quantizers:
        codes, _ = quantizer.compress(torch.from_numpy(vector), None, Step(0, 0.1, 1, 0, 0))
        assert codes.packed
        add_(torch.from_numpy(vector), codes)
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
