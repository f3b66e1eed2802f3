"""Functions compiled by numba, kept on disk between processes. Importing this imports numba."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """The function, compiled at its first call: IEEE arithmetic in the order that is written, where
    a number divided by 0 is infinite or none.
    """
    try:
        return cast("Function", njit(cache=True, error_model="numpy")(function))
    except RuntimeError:  # no folder can be written to: compile anew in each process
        return cast("Function", njit(error_model="numpy")(function))


def on_disk(function: Callable[..., object]) -> bool:
    """Whether an earlier process has compiled it, for any types, and kept that."""
    dispatcher = cast("Any", function)
    folder, code = dispatcher.stats.cache_path, dispatcher.py_func.__code__
    if folder is None:
        return False
    name = f"{Path(code.co_filename).stem}.{code.co_name}-{code.co_firstlineno}.*.nbi"
    return any(Path(folder).glob(name))


def _counting(build: Callable[[Any, Any], object]) -> Callable[[np.uint64], int]:
    """A number of a word's bits, by one instruction; for compiled functions only."""

    def typed(_context: object, _word: object) -> tuple[object, Callable[..., object]]:
        def generate(_context: object, builder: Any, _signature: object, arguments: Any) -> object:
            return build(builder, arguments[0])

        return types.int64(types.uint64), generate

    return cast("Callable[[np.uint64], int]", intrinsic(typed))


trailing_zeros = _counting(lambda builder, word: builder.cttz(word, cgutils.false_bit))
"""How many of a word's lowest bits are 0."""
ones = _counting(lambda builder, word: builder.ctpop(word))
"""How many of a word's bits are 1."""
