"""Quantized payloads on the wire: what a header says of one, and its codes and blocks.

A header has ``size, k, entries, rule, width, m, block``: k codes of so many bits in m blocks, all
of ``block`` codes but for a shorter last one; where ``block`` is 0, the m lengths travel. What is
said of coded indices follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from psim.errors import WireError
from psim.quantized import EXPONENT_WIDTH, LONG, WIDEST, Quantized, Rule
from psim.vectors import torch
from psim.wire import bits, indices
from psim.wire.layout import (
    DENSE,
    QUANTIZED,
    SHARED,
    SPARSE,
    WIDTHS,
    Buffer,
    Coding,
    index_bytes,
)

FIELDS = 7
_LENGTH = np.dtype("<u4")
_RULES = {int(rule): rule for rule in Rule}
_WIDTHS = {Rule.SIGN: 1, Rule.MEANS: 1, Rule.EXPONENT: EXPONENT_WIDTH}
"""Bits of a code, where the rule says it."""


class QuantizedShape(NamedTuple):
    """A quantized payload as a header announces it; ``entries`` is the form that it stands for, and
    ``coding`` that of its indices.
    """

    form: int
    type: int
    size: int
    codes: int
    entries: int
    rule: Rule
    width: int
    blocks: int
    block: int
    coding: Coding | None = None

    @property
    def lengths(self) -> list[int]:
        """Bytes of each of its buffers: indices and lengths, where they travel, scales, codes."""
        found = []
        if self.entries == SPARSE:
            found += [index_bytes(self.codes, self.size, self.coding)]
        found += [] if self.block else [self.blocks * _LENGTH.itemsize]
        scales = self.blocks * self.rule.scales * WIDTHS[self.type]
        return [*found, scales, bits.packed_length(self.codes, self.width)]


def parse(type_code: int, fields: Sequence[int], size: int) -> QuantizedShape:
    """The shape that a header's fields announce. Raises WireError."""
    announced, count, entries, rule_code, width, blocks, block = fields[:FIELDS]
    rule = _RULES.get(rule_code)
    fits = count == size if entries == DENSE else count <= size
    if announced != size or entries > SHARED or not fits:
        raise WireError(f"{count} codes of form {entries}: vectors here have {size} entries")
    if rule is None or not 1 <= width <= WIDEST or _WIDTHS.get(rule, width) != width:
        raise WireError(f"codes of rule {rule_code} and {width} bits")
    fits = blocks == -(-count // block) if block else blocks <= count and (count == 0 or blocks > 0)
    if not fits or block > count:
        raise WireError(f"{count} codes in {blocks} blocks of {block}")
    if len(fields) > FIELDS and entries != SPARSE:
        raise WireError(f"coded indices of codes of form {entries}")
    coding = indices.parse(fields[FIELDS:], count, size) if len(fields) > FIELDS else None
    return QuantizedShape(
        QUANTIZED, type_code, size, count, entries, rule, width, blocks, block, coding
    )


def describe(payload: Quantized) -> list[int]:
    """What a header says of it, after its code."""
    entries = SHARED if payload.shared else DENSE if payload.indices is None else SPARSE
    whole = [payload.size, payload.count, entries, int(payload.rule), payload.width]
    return [*whole, payload.lengths.numel(), _uniform(payload)]


def buffers(payload: Quantized) -> list[np.ndarray]:
    """Lengths, where they travel, and codes; the scales go between them."""
    lengths = [] if _uniform(payload) else [payload.lengths.numpy().astype(_LENGTH)]
    if payload.packed:
        return [*lengths, payload.codes.numpy()]
    if payload.count >= LONG:
        from psim.kernels import strings

        return [*lengths, strings.joined(payload.count, payload.width, [payload.pieces()])]
    mask = np.uint32(2**payload.width - 1)
    codes = payload.codes.numpy().view(np.uint32) & mask
    return [*lengths, bits.pack(codes, payload.width)]


def lengths_of(body: Buffer | None, shape: QuantizedShape) -> torch.Tensor:
    """How many codes each block has; ``body`` where that travels. Raises WireError."""
    if body is None:
        found = np.full(shape.blocks, shape.block, dtype=np.int64)
        found[-1:] = shape.codes - (shape.blocks - 1) * shape.block
        return torch.from_numpy(found)
    found = np.frombuffer(body, dtype=_LENGTH).astype(np.int64)
    if not found.all() or int(found.sum()) != shape.codes:
        raise WireError(f"blocks that do not share {shape.codes} codes among them")
    return torch.from_numpy(found)


def codes_of(body: Buffer, shape: QuantizedShape) -> torch.Tensor:
    """The codes: int32, signed by the rule, or their string. Raises WireError."""
    if shape.codes >= LONG:
        bits.check_end(body, shape.codes, shape.width)
        string = np.frombuffer(body, np.uint8)
        return torch.from_numpy(string if string.flags.writeable else string.copy())
    found = bits.unpack(body, shape.codes, shape.width).view(np.int32)
    if shape.rule is Rule.UNIFORM:
        spare = np.int32(WIDEST - shape.width)
        found = (found << spare) >> spare  # repeats the sign bit
    return torch.from_numpy(found)


def _uniform(payload: Quantized) -> int:
    """The length of all blocks but for a shorter last one; 0 where they differ otherwise."""
    lengths = payload.lengths.numpy()
    if not lengths.size or lengths[-1] > lengths[0] or (lengths[:-1] != lengths[0]).any():
        return 0
    return int(lengths[0])
