"""Payloads as a header announces them, whatever their form."""

from __future__ import annotations

from psim.wire import indices, lowrank, quantized
from psim.wire.layout import (
    DENSE,
    LOW_RANK,
    QUANTIZED,
    QUANTIZED_CODED,
    SHARED,
    SPARSE,
    SPARSE_CODED,
    Shape,
)

AnyShape = Shape | quantized.QuantizedShape | lowrank.LowRankShape

FIELDS = {DENSE: 1, SPARSE: 2, SHARED: 2, QUANTIZED: quantized.FIELDS, LOW_RANK: lowrank.FIELDS}
FIELDS[SPARSE_CODED] = FIELDS[SPARSE] + indices.FIELDS
FIELDS[QUANTIZED_CODED] = FIELDS[QUANTIZED] + indices.FIELDS
"""How many fields of a header follow a payload's code, by its form. The first is its size."""


def shape_of(form: int, type_code: int, fields: list[int], size: int) -> AnyShape:
    """The shape of a payload of a vector of ``size`` entries. Raises WireError."""
    if form in (QUANTIZED, QUANTIZED_CODED):
        return quantized.parse(type_code, fields, size)
    if form == LOW_RANK:
        return lowrank.parse(type_code, fields, size)
    count = fields[1] if form != DENSE else size
    if form == SPARSE_CODED:
        return Shape(SPARSE, type_code, size, count, indices.parse(fields[2:], count, size))
    return Shape(form, type_code, size, count)
