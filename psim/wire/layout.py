"""The format's constants, and what a payload looks like in a header."""

from __future__ import annotations

import struct
from typing import NamedTuple

Buffer = bytes | memoryview
Frames = list[Buffer]

INLINE = 16_384
"""Bytes of buffers up to which a message is one frame: copying costs less than a frame does."""
LARGEST_HEADER = 16_384
LARGEST_CONTROL = 4 << 20
"""A welcome carries the resolved config."""
LARGEST_SCALARS = 1_024
"""Accordion sends one for each layer: a network of a thousand parameter tensors has so many."""
REPORT = struct.Struct("<dd")
"""The frame that ends a MESSAGE: seconds of computing, and the mean loss of the rank's minibatch
(NaN where it was not computed)."""
LONGEST = 1e9
"""Seconds of computing that no rank reports."""

DENSE, SPARSE, SHARED, CODED = range(4)
"""Which entries of a vector a payload has: all, those listed, or those that both sides derive; and
listed by coded indices."""
QUANTIZED, LOW_RANK = 4, 8
"""A payload's form is one of these four for floats, 4 more for codes, 8 for factors; its code on
the wire is 16 times the form, plus the type of its floats."""
TYPES = ("float64", "float32", "float16", "bfloat16")
WIDTHS = (8, 4, 2, 2)


def index_width(size: int) -> int:
    """Bytes of a raw index: the smallest of 1, 2 or 4 that holds the dimension."""
    return 1 if size < 1 << 8 else 2 if size < 1 << 16 else 4


class Coding(NamedTuple):
    """Indices that are coded: the code's parameter, and the bytes that they take. A header does not
    say these (0) where they are a frame's, so that long lists have short headers.
    """

    parameter: int
    nbytes: int


def index_bytes(count: int, size: int, coding: Coding | None) -> int:
    """What ``count`` indices below ``size`` take, coded or raw."""
    return count * index_width(size) if coding is None else coding.nbytes


class Shape(NamedTuple):
    """A payload as a header announces it: ``values`` values of a vector of ``size`` entries.
    ``coding`` is that of a sparse one's indices; None: they are raw.
    """

    form: int
    type: int
    size: int
    values: int
    coding: Coding | None = None

    @property
    def lengths(self) -> list[int]:
        """Bytes of each of its buffers, in order: indices, where they travel, and values."""
        values = self.values * WIDTHS[self.type]
        if self.form != SPARSE:
            return [values]
        return [index_bytes(self.values, self.size, self.coding), values]
