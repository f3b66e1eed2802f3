"""One thread: a threaded sum adds in another order, and every bit counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from psim.vectors import torch

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 - numpy and scipy bring a BLAS each: find both
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, numpy's and scipy's BLAS use one thread. Costs 2 µs where they do anyway."""
    libraries = _libraries()
    if all(library.num_threads == 1 for library in libraries.lib_controllers):
        yield
    else:
        with libraries.limit(limits=1):
            yield


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
