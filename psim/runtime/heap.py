"""The C library's free memory, kept by the master for the next vector.

By itself glibc hands blocks of 32 MiB and more back to the kernel when they are freed. The next one
is made of fresh pages, which the kernel clears and maps one by one at their first touch: that takes
four times as long as copying what will be in them. A round of long vectors makes such blocks for
messages, frames and sums, of the same sizes in every round.

Workers do without: the gradients of a network's layers would settle in the gaps, and a worker come
to hold two to five vectors more than its model, gradient and state. Other C libraries have no such
settings, and are left as they are.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""mallopt(3)'s parameters, as malloc.h numbers them."""
_NEVER = -1
LONG = 1 << 22
"""Entries from which vectors may be such blocks: as float64 these have 32 MiB."""
_PAD = 64 << 20
"""Bytes by which the heap grows at least: as many as a thread's heap has at most."""
_AS_BEFORE = {_MMAP_MAX: 65_536, _TRIM_THRESHOLD: 64 << 20, _TOP_PAD: 128 << 10, _ARENA_MAX: 0}
"""glibc's own values; of the threshold the one that it has once it has freed a large block."""


@contextmanager
def kept(size: int) -> Iterator[None]:
    """Inside, keep what is freed, where vectors have ``size`` entries and are worth it; afterwards
    let go. To be entered before there are threads: there is one heap for all of them, so that a
    frame that ZeroMQ has freed serves for a vector.
    """
    if size < LONG:
        yield
        return
    _set({_ARENA_MAX: 1, _MMAP_MAX: 0, _TRIM_THRESHOLD: _NEVER, _TOP_PAD: _PAD})
    try:
        yield
    finally:
        _set(_AS_BEFORE)
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _set(parameters: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in parameters.items():
            mallopt(parameter, value)
