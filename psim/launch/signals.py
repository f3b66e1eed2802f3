"""SIGINT and SIGTERM end a run in order, with a complete folder."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from psim.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def terminable() -> Iterator[None]:
    """Inside, the first SIGINT or SIGTERM raises Interrupted. Those that follow are ignored, so
    that an impatient second Ctrl-C does not leave half a folder, or processes, behind.

    One inside another changes nothing: the outer one ends last. Only a main thread can have that. A
    signal that was ignored before (``nohup``, a shell's background job) stays so.
    """
    if signal.getsignal(signal.SIGTERM) is _interrupt:
        yield
        return
    with _handled(_interrupt):
        yield


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    ignore()
    raise Interrupted(signal.Signals(number).name)


def ignore() -> None:
    """From now on, nothing interrupts."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[None]:
    """Inside, signals wait: what is being started is known before it may have to be ended."""
    held: list[int] = []
    with _handled(lambda number, _frame: held.append(number)):
        yield
    if held:
        signal.raise_signal(held[0])


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in SIGNALS}
    before = {n: old for n, old in found.items() if old not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
