"""Compiled code in place before it is timed: the first call of a function loads it from the disk,
or compiles it there, which takes seconds, once on a machine.
"""

from __future__ import annotations

import numpy as np

from psim.kernels.choice import LONG
from psim.kernels.plain import Floats


def prepare(size: int) -> None:
    """Load or compile what vectors of ``size`` entries may need: nothing where they are short.
    Starts no thread.
    """
    if size >= LONG:
        _call()


def load() -> None:
    """Load what earlier processes have compiled, if they have. Starts no thread."""
    from psim.compiled import on_disk
    from psim.kernels import quantize, rows, selection

    # What takes longest stands for the others.
    if on_disk(selection._select) and on_disk(quantize.neighbours):  # noqa: SLF001
        _call()
    if on_disk(rows.of_difference):
        _call_rows()


def _call() -> None:
    from psim.kernels import selection, sums

    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        vector, other = np.ones(8, dtype), np.zeros(8, dtype)
        indices, values = selection.largest_of_difference(vector, other, 2)
        selection.at_least(vector, 2.0)
        sums.add_at(other, indices, values)
        sums.mean_of_sparse(8, [indices], [values], 1, dtype)
        sums.subtract_scaled(other, vector, 1.0)
        _call_codes(vector)


def _call_rows() -> None:
    """What EF21's workers, with Top-k of short vectors, call in each round."""
    from psim.kernels import rows

    vectors, kept, slots = np.ones((1, 8)), np.zeros((1, 8)), np.zeros(1, np.int32)
    rows.of_difference(vectors, kept, slots, np.empty((1, 2), np.int64), np.empty((1, 2)))


def _call_codes(vector: Floats) -> None:
    """What makes codes of vectors of one type, and reads them."""
    from psim import random
    from psim.kernels import bits, dequantize, norms, quantize
    from psim.kernels.philox import Stream

    size, whole = vector.size, vector.dtype.type
    codes, draws, tops = np.ones(size, np.int32), np.zeros(size), np.ones(1)
    Stream(random.generator(0, "")).fill(draws)
    norms.folded(vector, size, norms.largest(vector, size), squared=False)
    quantize.signs(vector, 0, codes)
    quantize.nearest(vector, 1.0, 1.0, codes)
    quantize.neighbours(vector, 0, size, tops, draws, 1.0, codes)
    quantize.exponents(vector, 1, 1, 1, draws, tops, codes)
    body, ends = np.zeros(size, np.uint8), np.array([size])
    bits.pack(codes, 2, body, 0)
    bits.unpack(body, 2, 0, True, codes)
    scales = np.ones(2, whole)
    dequantize.uniform(codes, 0, 0, ends, scales, vector)
    dequantize.of_two(codes, 0, 0, ends, scales, vector)
    dequantize.exponents(codes, 0, 0, ends, tops, np.ones(256), vector)
