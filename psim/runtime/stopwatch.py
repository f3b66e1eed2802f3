"""What measures how long a rank computes."""

from __future__ import annotations

import time
from collections.abc import Callable

from psim.config import Config
from psim.vectors import torch

Stopwatch = Callable[[], float]
"""Seconds, of which differences mean something."""


def needed(config: Config, device: torch.device | None = None) -> Stopwatch:
    """The one for a run: where nothing of its timeline is measured, none is read. Reading a
    thread's clock may cost more than a small round: on a busy machine the kernel then lets others
    run.

    On the real clock ranks do slow one another, and the time that passes is what counts.
    """
    if not read(config):
        return _unread
    return of(device or torch.device("cpu"), elapsed=config.network.clock == "real")


def read(config: Config) -> bool:
    """Whether anything of the run's timeline is measured."""
    return config.network.clock != "none" and config.compute.measured


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


def _unread() -> float:
    return 0.0


def _after_mps() -> float:
    torch.mps.synchronize()
    return time.perf_counter()
