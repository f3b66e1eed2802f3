"""Compiled code in place before it is timed: the first call of a function loads it from the disk,
or compiles it there, which takes seconds, once on a machine.
"""

from __future__ import annotations

import numpy as np

from psim.kernels.choice import LONG


def prepare(size: int) -> None:
    """Load or compile what vectors of ``size`` entries may need: nothing where they are short.
    Starts no thread.
    """
    if size >= LONG:
        _call()


def load() -> None:
    """Load what earlier processes have compiled, if they have. Starts no thread."""
    from psim.compiled import on_disk
    from psim.kernels import selection

    if on_disk(selection._select):  # noqa: SLF001 - what takes longest stands for all
        _call()


def _call() -> None:
    from psim.kernels import selection, sums

    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        vector, other = np.ones(8, dtype), np.zeros(8, dtype)
        indices, values = selection.largest_of_difference(vector, other, 2)
        selection.at_least(vector, 2.0)
        sums.add_at(other, indices, values)
        sums.mean_of_sparse(8, [indices], [values], 1, dtype)
