"""Philox 4x64 compiled: what `psim.random.uniforms` computes for many ranks, and what a generator's
``random`` gives of one, to the bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled

Naturals = NDArray[np.uint64]

FIRST, SECOND = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
"""The multipliers (Salmon et al. 2011, section 3)."""
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
WEYL = np.array([0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B], np.uint64)
"""What the key grows by from round to round."""
ROUNDS = 10
PER_BLOCK = 4
TOGETHER = 32
"""Counters that are turned into numbers side by side: they don't depend on one another, and wide
registers hold several.
"""
ZERO, ELEVEN, UNIT = np.uint64(0), np.uint64(11), 2.0**-53


class Stream:
    """The numbers in [0, 1) of a Philox generator that nothing was drawn of, some at a time."""

    def __init__(self, generator: np.random.Generator) -> None:
        state = generator.bit_generator.state
        counter, key = state["state"]["counter"], state["state"]["key"]
        assert state["buffer_pos"] == PER_BLOCK, "nothing of a block is drawn"
        assert not counter[:2].any(), "nor a whole one"
        self._keys: Naturals = key + np.arange(ROUNDS, dtype=np.uint64)[:, None] * WEYL
        self._rank, self._round, self._block = counter[2], counter[3], 0
        self._words = np.empty((PER_BLOCK, TOGETHER), np.uint64)

    def fill(self, numbers: NDArray[np.float64]) -> None:
        """The next ones. All calls but the last ask for a multiple of four."""
        following(self._keys, self._rank, self._round, self._block, self._words, numbers)
        self._block += numbers.size // PER_BLOCK


@compiled
def following(
    keys: Naturals,
    rank: np.uint64,
    round: np.uint64,
    block: int,
    words: Naturals,
    numbers: NDArray[np.float64],
) -> None:
    """As `fill` for one rank, from ``block`` + 1 on. ``words``: room for the four of each of the
    counters side by side.
    """
    a, b, c, d = words[0], words[1], words[2], words[3]
    for start in range(0, len(numbers), PER_BLOCK * TOGETHER):
        for lane in range(TOGETHER):
            a[lane], b[lane] = np.uint64(block + start // PER_BLOCK + lane + 1), ZERO
            c[lane], d[lane] = rank, round
        for number in range(ROUNDS):
            one, two = keys[number, 0], keys[number, 1]
            for lane in range(TOGETHER):
                first, third = a[lane], c[lane]
                a[lane] = _high(SECOND, third) ^ b[lane] ^ one
                c[lane] = _high(FIRST, first) ^ d[lane] ^ two
                b[lane], d[lane] = SECOND * third, FIRST * first
        own = numbers[start : start + PER_BLOCK * TOGETHER]
        for lane in range(len(own) // PER_BLOCK):
            four = own[PER_BLOCK * lane : PER_BLOCK * lane + PER_BLOCK]
            four[0] = np.float64(a[lane] >> ELEVEN) * UNIT
            four[1] = np.float64(b[lane] >> ELEVEN) * UNIT
            four[2] = np.float64(c[lane] >> ELEVEN) * UNIT
            four[3] = np.float64(d[lane] >> ELEVEN) * UNIT
        for place in range(len(own) // PER_BLOCK * PER_BLOCK, len(own)):
            word = words[place % PER_BLOCK, place // PER_BLOCK]
            own[place] = np.float64(word >> ELEVEN) * UNIT


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
