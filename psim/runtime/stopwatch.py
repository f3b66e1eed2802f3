"""What measures how long a rank computes."""

from __future__ import annotations

import time
from collections.abc import Callable

from psim.vectors import torch

Stopwatch = Callable[[], float]
"""Seconds, of which differences mean something."""


def of(device: torch.device, elapsed: bool) -> Stopwatch:
    """For work on that device. On the CPU it counts the thread's own time, in which other processes
    of this machine have no part; or, ``elapsed``, the time that passes.
    """
    if device.type == "cuda":
        return OnGPU(device)
    if device.type == "mps":
        return _after_mps
    return time.perf_counter if elapsed else time.thread_time


class OnGPU:
    """The GPU's own clock: CUDA events in the stream in which the work is."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.current_stream(device)
        self._first = self._event()

    def __call__(self) -> float:
        now = self._event()
        now.synchronize()
        return float(self._first.elapsed_time(now)) / 1e3

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(self._stream)
        return event


def _after_mps() -> float:
    torch.mps.synchronize()
    return time.perf_counter()
