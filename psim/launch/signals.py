"""SIGTERM ends a run as Ctrl-C does: in order, with a complete folder."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from psim.errors import Interrupted


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted


@contextmanager
def terminable() -> Iterator[None]:
    """Inside, SIGTERM raises Interrupted. Only a main thread can have that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
