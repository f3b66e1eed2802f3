"""Payloads as a header announces them, whatever their form."""

from __future__ import annotations

from psim.errors import WireError
from psim.wire import indices, lowrank, quantized
from psim.wire.layout import CODED, DENSE, LOW_RANK, QUANTIZED, SHARED, SPARSE, Shape

AnyShape = Shape | quantized.QuantizedShape | lowrank.LowRankShape

_ENTRIES = {DENSE: 0, SPARSE: 1, SHARED: 1, CODED: 1 + indices.FIELDS}
"""How many fields say which entries a payload has: how many, and what is said of coded indices."""
FIELDS = {
    **_ENTRIES,
    **{QUANTIZED + entries: count + quantized.FIELDS for entries, count in _ENTRIES.items()},
    LOW_RANK: lowrank.FIELDS,
}
"""How many fields of a header follow a payload's code, by its form."""


def shape_of(form: int, type_code: int, fields: list[int], size: int) -> AnyShape:
    """The shape of a payload of a vector of ``size`` entries. Raises WireError."""
    if form == LOW_RANK:
        return lowrank.parse(type_code, fields, size)
    entries = form % QUANTIZED
    count = size if entries == DENSE else fields[0]
    if count > size:
        raise WireError(f"{count} values: vectors here have {size} entries")
    coding = None
    if entries == CODED:
        entries, coding = SPARSE, indices.parse(fields[1 : 1 + indices.FIELDS])
    plain = Shape(entries, type_code, size, count, coding)
    return plain if form < QUANTIZED else quantized.parse(plain, fields[-quantized.FIELDS :])
