"""Philox 4x64 of many ranks, compiled: what `psim.random.uniforms` computes, to the bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled

Naturals = NDArray[np.uint64]

FIRST, SECOND = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
"""The multipliers (Salmon et al. 2011, section 3)."""
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
PER_BLOCK = 4
ZERO, ELEVEN, UNIT = np.uint64(0), np.uint64(11), 2.0**-53


@compiled
def fill(keys: Naturals, ranks: Naturals, round: int, numbers: NDArray[np.float64]) -> None:
    """Numbers in [0, 1), shape (ranks, count), by the counters (block, 0, rank, round) from block 1
    on; ``keys`` are those of Philox's rounds, shape (rounds, 2).
    """
    for row in range(len(ranks)):
        for first in range(0, numbers.shape[1], PER_BLOCK):
            a, b = np.uint64(first // PER_BLOCK + 1), ZERO
            c, d = ranks[row], np.uint64(round)
            for key in keys:
                high, crossed = _high(FIRST, a), _high(SECOND, c)
                a, b, c, d = (
                    crossed ^ b ^ key[0],
                    SECOND * c,
                    high ^ d ^ key[1],
                    FIRST * a,
                )
            for place, word in enumerate((a, b, c, d)):
                if first + place < numbers.shape[1]:
                    numbers[row, first + place] = np.float64(word >> ELEVEN) * UNIT


@compiled
def _high(x: np.uint64, y: np.uint64) -> np.uint64:
    """The higher 64 bits of a product of 128."""
    x_low, x_high, y_low, y_high = x & LOW, x >> HALF, y & LOW, y >> HALF
    middle = x_high * y_low + (x_low * y_low >> HALF)
    crossed = x_low * y_high + (middle & LOW)
    return x_high * y_high + (middle >> HALF) + (crossed >> HALF)
