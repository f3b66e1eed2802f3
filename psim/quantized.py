"""Values as whole numbers: a payload of codes and scales.

All entries of a vector, or those of a sparse one. What a code stands for is said by a rule, with m
a signed code, c an unsigned one and s the scale of the code's block:

    UNIFORM    s m
    SIGN       -s where c = 0, s where c = 1
    MEANS      the first of the block's two scales where c = 0, the second where c = 1
    EXPONENT   ±s 2^-e, where bit 8 of c is the sign (1: minus) and e its lower 8 bits; e = 255: 0

Decoding is one multiplication an entry, so that all devices decode the same floats.

Codes of a long vector on the host are kept as the string of bits that travels (`psim.wire.bits`),
and are decoded part after part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from psim.vectors import Coded, Dense, Plain, Shared, Sparse, on_host, torch

if TYPE_CHECKING:
    import numpy as np

WIDEST = 32
"""Bits of the widest code."""
EXPONENT_WIDTH = 9
"""Bits of a code of the rule EXPONENT."""
NOTHING = 255
"""The exponent that stands for 0."""
LONG = 2_000
"""Entries from which codes on the host are made, kept and read as strings, by compiled code."""


class Rule(IntEnum):
    """What a code stands for."""

    UNIFORM = 0
    SIGN = 1
    MEANS = 2
    EXPONENT = 3

    @property
    def scales(self) -> int:
        """How many scales a block has."""
        return 2 if self is Rule.MEANS else 1


def is_long(vector: torch.Tensor) -> bool:
    """Whether the codes of its entries are made as a string."""
    return vector.numel() >= LONG and on_host(vector)


@dataclass(frozen=True, slots=True)
class Quantized(Coded):
    """k codes of ``width`` bits in m blocks.

    ``codes``: int32, shape (k,), signed for the rule UNIFORM; or a string of them, uint8, of
    ⌈k · width/8⌉ bytes on the host. ``scales``: (m · rule.scales,), block
    by block, in the type that travels. ``lengths``: int64, (m,), how many codes each block has, all
    above 0. The codes are those of all entries, or of the ones at ``indices``; with ``shared``
    both sides derive these, and they are None in a payload fresh from the wire.
    """

    size: int
    rule: Rule
    width: int
    codes: torch.Tensor
    scales: torch.Tensor
    lengths: torch.Tensor
    indices: torch.Tensor | None = None
    shared: bool = False

    @classmethod
    def block(
        cls,
        rule: Rule,
        width: int,
        codes: torch.Tensor,
        scales: torch.Tensor,
        count: int | None = None,
    ) -> Quantized:
        """All entries of a vector in one block; none where there are no entries. ``count``: how
        many there are, where the codes are a string.
        """
        count = codes.numel() if count is None else count
        lengths = torch.full((min(count, 1),), count, dtype=torch.int64)
        return cls(count, rule, width, codes, scales[: rule.scales * min(count, 1)], lengths)

    @property
    def count(self) -> int:
        return int(self.lengths.sum()) if self.packed else self.codes.numel()

    @property
    def bits(self) -> int:
        return self.width * self.count + 32 * self.scales.numel()

    @property
    def device(self) -> torch.device:
        return self.scales.device

    @property
    def packed(self) -> bool:
        """Whether the codes are a string."""
        return self.codes.dtype == torch.uint8

    @property
    def listed(self) -> bool:
        return self.indices is not None and not self.shared

    @property
    def values(self) -> torch.Tensor:
        return self._decoded(self.scales.dtype)

    def plain(self, dtype: torch.dtype) -> Plain:
        values = self._decoded(dtype)
        if self.shared:
            return Shared(self.size, values, self.indices)
        if self.indices is None:
            return Dense(values)
        return Sparse(self.size, self.indices, values)

    def cast(self, dtype: torch.dtype) -> Quantized:
        return replace(self, scales=self.scales.to(dtype))

    def among(self, kept: Sparse | Shared) -> Quantized:
        """These codes of all entries as those of the entries that ``kept`` keeps."""
        shared = isinstance(kept, Shared)
        return replace(self, size=kept.size, indices=kept.indices, shared=shared)

    def in_parts(self, dtype: torch.dtype) -> Iterator[tuple[slice, torch.Tensor]] | None:
        if self.indices is not None or self.shared or not self._readable(dtype):
            return None
        return self._parts(dtype)

    def pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """Codes and the place of the first of them, int32, part after part; each part may take the
        memory of the one before. On the host.
        """
        from psim.kernels import strings

        if self.packed:
            signed = self.rule is Rule.UNIFORM
            return strings.read(self.codes.numpy(), self.count, self.width, signed)
        codes = self.codes.numpy()
        return ((at, codes[at : at + length]) for at, length in strings.starts(codes.size))

    def unpacked(self) -> torch.Tensor:
        """The codes, int32, (k,)."""
        if not self.packed:
            return self.codes
        codes = torch.empty(self.count, dtype=torch.int32)
        found = replace(self, codes=self.codes.cpu())
        for start, part in found.pieces():
            codes[start : start + part.size] = torch.from_numpy(part)
        return codes.to(self.codes.device)

    def _readable(self, dtype: torch.dtype) -> bool:
        """Whether compiled code decodes them."""
        native = dtype in (torch.float32, torch.float64)
        return self.packed and native and self.codes.device.type == "cpu"

    def _parts(self, dtype: torch.dtype) -> Iterator[tuple[slice, torch.Tensor]]:
        """The values part after part, each in the memory of the one before."""
        from psim.kernels import dequantize, strings

        ends = self.lengths.cumsum(0).numpy()
        wide = torch.float64 if self.rule is Rule.EXPONENT else dtype
        scales = self.scales.to(wide)
        if self.rule is Rule.SIGN:
            scales = torch.stack([-scales, scales], 1).flatten()
        buffer = torch.empty(min(self.count, strings.PART), dtype=dtype)
        for start, codes in self.pieces():
            values = buffer[: codes.size]
            row = int(ends.searchsorted(start, side="right"))
            place = (codes, start, row, ends, scales.numpy())
            if self.rule is Rule.UNIFORM:
                dequantize.uniform(*place, values.numpy())
            elif self.rule is Rule.EXPONENT:
                dequantize.exponents(*place, powers(torch.device("cpu")).numpy(), values.numpy())
            else:
                dequantize.of_two(*place, values.numpy())
            yield slice(start, start + codes.size), values

    def _decoded(self, dtype: torch.dtype) -> torch.Tensor:
        """The values of the codes, (k,)."""
        if self._readable(dtype):
            found = torch.empty(self.count, dtype=dtype)
            for part, values in self._parts(dtype):
                found[part] = values
            return found
        codes = self.unpacked()
        if self.rule is Rule.UNIFORM:
            return self._scale(self.scales, dtype) * codes.to(dtype)
        if self.rule is Rule.SIGN:
            scale = self._scale(self.scales, dtype)
            return torch.where(codes == 1, scale, -scale)
        if self.rule is Rule.MEANS:
            low, high = (self._scale(self.scales[side::2], dtype) for side in (0, 1))
            return torch.where(codes == 1, high, low)
        # In float64: 2^-254 is no float32, and its product with a scale may well be one.
        scale = self._scale(self.scales, torch.float64)
        values = scale * powers(codes.device)[codes & 255]
        return torch.where(codes >= 256, -values, values).to(dtype)

    def _scale(self, scales: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Each code's scale; shape (k,), or (1,) of a single block."""
        wide = scales.to(dtype)
        if self.lengths.numel() == 1:
            return wide
        return torch.repeat_interleave(wide, self.lengths.to(wide.device))


@lru_cache(maxsize=8)
def powers(device: torch.device) -> torch.Tensor:
    """2^-e for e = 0, …, 254, and 0 for e = 255; float64, (256,)."""
    table = torch.tensor([2.0**-e for e in range(NOTHING)] + [0.0], dtype=torch.float64)
    return table.to(device)
