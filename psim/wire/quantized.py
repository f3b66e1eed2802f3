"""Quantized payloads on the wire: what a header says of one, and its codes and blocks.

After what it says of the entries, as for floats, come ``rule, block``. A rule up to 32 is that of
uniform codes of so many bits; the others' follow. All blocks have ``block`` codes but for a shorter
last one; 0 is one block of all codes. With 64 more in ``rule``, there are ``block`` blocks whose
lengths travel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from psim.errors import WireError
from psim.quantized import EXPONENT_WIDTH, LONG, WIDEST, Quantized, Rule
from psim.vectors import torch
from psim.wire import bits
from psim.wire.layout import WIDTHS, Buffer, Shape

FIELDS = 2
_LENGTH = np.dtype("<u4")
_RULES = {width: (Rule.UNIFORM, width) for width in range(1, WIDEST + 1)}
_RULES |= {33: (Rule.SIGN, 1), 34: (Rule.MEANS, 1), 35: (Rule.EXPONENT, EXPONENT_WIDTH)}
"""A rule on the wire, and the bits of its codes."""
_NUMBERS = {rule: number for number, rule in _RULES.items()}
_LISTED = 64
"""What is added to a rule where the blocks' lengths travel."""


class QuantizedShape(NamedTuple):
    """A quantized payload as a header announces it: ``plain`` with codes for values, in blocks of
    ``block``; 0: of lengths that travel.
    """

    plain: Shape
    rule: Rule
    width: int
    blocks: int
    block: int

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return self.plain.values

    @property
    def lengths(self) -> list[int]:
        """Bytes of each of its buffers: indices and lengths, where they travel, scales, codes."""
        found = self.plain.lengths[:-1]
        if not self.block:
            found.append(self.blocks * _LENGTH.itemsize)
        scales = self.blocks * self.rule.scales * WIDTHS[self.plain.type]
        return [*found, scales, bits.packed_length(self.codes, self.width)]


def parse(plain: Shape, fields: Sequence[int]) -> QuantizedShape:
    """The shape that a header's fields announce, beside what stands in it as for floats. Raises
    WireError.
    """
    number, block = fields
    listed = number >= _LISTED
    rule, width = _RULES.get(number - _LISTED if listed else number, (None, 0))
    if rule is None:
        raise WireError(f"codes of rule {number}")
    count = plain.values
    if block > count or (listed and not block):
        blocks = f"{block} blocks" if listed else f"blocks of {block}"
        raise WireError(f"{count} codes in {blocks}")
    if listed:
        return QuantizedShape(plain, rule, width, block, 0)
    block = block or max(1, count)
    return QuantizedShape(plain, rule, width, -(-count // block), block)


def describe(payload: Quantized) -> list[int]:
    """What a header says of the codes, after what it says of the entries."""
    number, block = _NUMBERS[payload.rule, payload.width], _block(payload)
    return [number + _LISTED, payload.lengths.numel()] if block is None else [number, block]


def buffers(payload: Quantized) -> list[np.ndarray]:
    """Lengths, where they travel, and codes; the scales go between them."""
    lengths = [] if _block(payload) is not None else [payload.lengths.numpy().astype(_LENGTH)]
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


def _block(payload: Quantized) -> int | None:
    """The length of all blocks but for a shorter last one; 0 where there is one at most, None where
    they differ otherwise.
    """
    lengths = payload.lengths.numpy()
    if lengths.size < 2:
        return 0
    if lengths[-1] > lengths[0] or (lengths[:-1] != lengths[0]).any():
        return None
    return int(lengths[0])
