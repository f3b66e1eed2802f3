"""One thread: a threaded sum adds in another order, and every bit counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

from psim.vectors import torch

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_NOTHING = nullcontext()
_HELD: list[bool] = []
"""One entry for each limit that is in force."""


@cache
def _libraries() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 - numpy and scipy bring a BLAS each: find both
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def one_thread() -> AbstractContextManager[None]:
    """Inside, numpy's and scipy's BLAS use one thread. Within another one it costs nothing."""
    return _NOTHING if _HELD else _limited()


@contextmanager
def _limited() -> Iterator[None]:
    libraries = _libraries()
    alone = all(library.num_threads == 1 for library in libraries.lib_controllers)
    with nullcontext() if alone else libraries.limit(limits=1):
        _HELD.append(True)
        try:
            yield
        finally:
            _HELD.pop()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Inside, torch and BLAS use one thread; afterwards what they used before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_thread():
            yield
    finally:
        torch.set_num_threads(before)
