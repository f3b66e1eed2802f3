"""How the indices of a sparse payload travel: raw, or coded near the entropy bound (`golomb`).

Raw indices are unsigned integers of 1, 2 or 4 bytes. Which of the two it is, and the code's
parameter, stand in the header, so that a receiver takes either.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

import msgpack
import numpy as np

from psim.errors import WireError
from psim.vectors import torch
from psim.wire import golomb
from psim.wire.buffers import INDEX_TYPES
from psim.wire.golomb import Indices
from psim.wire.layout import Buffer, Coding, index_width

if TYPE_CHECKING:
    from types import ModuleType

Manner = Literal["raw", "coded", "auto"]
"""A config's ``wire.indices``; ``auto`` is the smaller of the two."""

TINY = 16
"""Bytes of raw indices up to which ``auto`` does not try the code. Its two fields in the header and
its last byte leave it little to gain there (nothing where k = 1), and many small messages with raw
indices are decoded together (`alike`)."""
COMPILED_FROM = 256
"""The number of indices from which compiled code is used. It takes 4 microseconds where the plain
one takes some tens, but half a second to load."""
LIKELY_FROM = 10_000
"""The size from which vectors are likely to have such lists of indices."""
FIELDS = len(Coding._fields)
"""How many fields a header has for the coding, after those of the form."""


def parse(fields: Sequence[int]) -> Coding:
    """The coding that a header announces. Raises WireError."""
    coding = Coding(*fields)
    if coding.parameter >= golomb.PARAMETERS:
        last = golomb.PARAMETERS - 1
        raise WireError(f"indices coded with parameter {coding.parameter}: {last} is the last")
    return coding


def check(parameter: int, nbytes: int, count: int, size: int) -> None:
    """WireError where ``count`` indices below ``size`` can't take so many bytes."""
    code = golomb.code(parameter)
    least, most = (-(-bits // 8) for bits in (code.least(count), code.most(count, size)))
    if not least <= nbytes <= most:
        raise WireError(f"{nbytes} B of coded indices: {count} below {size} take {least} to {most}")


def write(indices: torch.Tensor, size: int, manner: Manner) -> tuple[Coding | None, np.ndarray]:
    """The indices as they travel, and what the header says of them; None: they are raw.

    Raises WireError where they are coded and don't increase strictly.
    """
    listed: Indices = np.ascontiguousarray(indices.numpy())
    width = index_width(size)
    raw = listed.size * width
    if manner == "coded" or (manner == "auto" and raw > TINY):
        parameter, string = _coder(listed.size).encode(listed)
        coding = Coding(parameter, string.size)
        fields = sum(len(msgpack.packb(number)) for number in coding)
        if manner == "coded" or fields + string.size < raw:
            return coding, string
    return None, listed.astype(INDEX_TYPES[width])


def read(body: Buffer, count: int, size: int, parameter: int) -> torch.Tensor:
    """The coded indices, int64. Raises WireError where the bytes are no such list."""
    found: Indices = _coder(count).decode(body, count, size, golomb.code(parameter))
    return torch.from_numpy(found)


def prepare(size: int, manner: Manner) -> None:
    """Load what codes long lists now, rather than in the first round, where vectors of ``size``
    entries make it likely that there are some.
    """
    if manner != "raw" and size >= LIKELY_FROM:
        _compiled()


def _coder(count: int) -> ModuleType:
    """What codes so many indices: to the same bytes, whichever it is."""
    return golomb if count < COMPILED_FROM else _compiled()


@cache
def _compiled() -> ModuleType:
    """The compiled code; the plain one where numba can't be imported."""
    try:
        from psim.wire import kernel
    except ImportError:
        return golomb
    kernel.prepare()
    return kernel
