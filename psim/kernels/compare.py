"""Sixty-four comparisons at once, for compiled functions. Numba has no word for them: they are said
to LLVM, through llvmlite, which comes with numba.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

TOGETHER = 64
"""Entries that are compared at once: as many as a word has bits."""

_PLACE, _FOUND = ir.IntType(32), ir.IntType(TOGETHER)


def _compare(
    _context: object, words: Any, _start: object, _bits: object, _most: object, _least: object
) -> tuple[object, Callable[..., object]] | None:
    """The types, and what makes LLVM's code: loads, and, minimum and compares of whole vectors,
    which it cuts to what the processor has. None, a type error to numba, where words have gaps.
    """
    if words.layout != "C":
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> object:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        lanes = ir.VectorType(context.get_value_type(words.dtype), TOGETHER)
        start = builder.gep(array.data, [arguments[1]])
        aligned = words.dtype.bitwidth // 8
        found = builder.load(builder.bitcast(start, lanes.as_pointer()), align=aligned)
        bits, most, least = (_in_all(builder, lanes, each) for each in arguments[2:])
        found = builder.and_(found, bits)
        found = builder.select(builder.icmp_signed("<", found, most), found, most)
        return builder.bitcast(builder.icmp_signed(">=", found, least), _FOUND)

    return types.uint64(words, types.intp, words.dtype, words.dtype, words.dtype), generate


def _in_all(builder: Any, lanes: Any, value: Any) -> object:
    """A vector that has the value in every lane."""
    first = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, _PLACE(0))
    places = ir.Constant(ir.VectorType(_PLACE, TOGETHER), [0] * TOGETHER)
    return builder.shuffle_vector(first, first, places)


_Compare = Callable[
    [
        NDArray[np.signedinteger[Any]],
        int,
        np.signedinteger[Any],
        np.signedinteger[Any],
        np.signedinteger[Any],
    ],
    np.uint64,
]
reach = cast("_Compare", intrinsic(_compare))
"""``reach(words, start, bits, most, least)``: a number whose bit j says whether min(w & bits, most)
>= least, for w = words[start + j]. There must be 64 words from ``start`` on.
"""
