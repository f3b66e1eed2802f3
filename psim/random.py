"""Every random choice is a function of (seed, purpose, rank, round).

The generator is counter-based (Philox 4x64, Salmon et al. 2011): its key is (seed, purpose) and its
256-bit counter starts at (0, 0, rank, round), so that streams of different ranks and rounds never
meet (each has 2^128 draws of its own), a restarted worker draws what it drew before, and any other
program can draw the same numbers::

    np.random.Generator(np.random.Philox(key=[seed, code], counter=[0, 0, rank + 1, round]))

where ``code`` is the first eight bytes, little-endian, of SHA-256 of the purpose's name, and what
all ranks share is drawn with rank -1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHARED = -1
"""The rank of what all ranks draw alike."""


@lru_cache(maxsize=256)
def purpose_code(purpose: str) -> int:
    """The purpose's 64-bit code in the generator's key."""
    return int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")


def generator(seed: int, purpose: str, rank: int = SHARED, round: int = 0) -> np.random.Generator:
    """The generator of one purpose, rank and round."""
    key = np.array([seed, purpose_code(purpose)], dtype=np.uint64)
    counter = np.array([0, 0, rank + 1, round], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = np.array([[0xD2E7470EE14C6C93], [0xCA5A826395121157]], dtype=np.uint64)
_MULTIPLIERS_LOW, _MULTIPLIERS_HIGH = _MULTIPLIERS & _LOW, _MULTIPLIERS >> _HALF
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10
_PER_BLOCK = 4  # numbers that Philox 4x64 makes of one counter
_MANY = 20_000  # numbers from which compiled code is the faster one, and worth loading


def uniforms(
    seed: int,
    purpose: str,
    ranks: Sequence[int] | NDArray[np.intp],
    round: int = 0,
    count: int = 1,
) -> NDArray[np.float64]:
    """The first `count` numbers in [0, 1) of each rank, shape (ranks, count): what
    ``generator(seed, purpose, rank, round).random(count)`` gives, for thousands of ranks at once.
    """
    rank = np.asarray(ranks, dtype=np.int64).astype(np.uint64) + np.uint64(1)
    if len(rank) * count >= _MANY:
        from psim.kernels import philox

        found = np.empty((len(rank), count))
        philox.fill(np.hstack(_keys(seed, purpose)).T.copy(), rank, round, found)
        return found
    blocks = -(-count // _PER_BLOCK)
    numbers = np.empty((len(rank), blocks, _PER_BLOCK), dtype=np.uint64)
    keys = _keys(seed, purpose)
    for block in range(blocks):
        numbers[:, block] = _philox(keys, block + 1, rank, round).T
    numbers = numbers.reshape(len(rank), blocks * _PER_BLOCK)[:, :count]
    shares: NDArray[np.float64] = (numbers >> np.uint64(11)) * np.float64(2.0**-53)
    return shares


@lru_cache(maxsize=256)
def _keys(seed: int, purpose: str) -> tuple[NDArray[np.uint64], ...]:
    """The keys of Philox's rounds, each as a column."""
    key = (seed, purpose_code(purpose))
    return tuple(
        np.array([[(k + t * w) % 2**64] for k, w in zip(key, _WEYL, strict=True)], dtype=np.uint64)
        for t in range(_ROUNDS)
    )


def _philox(
    keys: tuple[NDArray[np.uint64], ...], block: int, rank: NDArray[np.uint64], round: int
) -> NDArray[np.uint64]:
    """Philox 4x64 of the counters (block, 0, rank, round), shape (4, ranks): Salmon et al. 2011,
    section 3. The words that are multiplied, the first and the third, are the rows of `left`.
    """
    left, right = np.empty((2, 2, len(rank)), dtype=np.uint64)
    left[0], left[1], right[0], right[1] = block, rank, 0, round
    for key in keys:
        low, high = left & _LOW, left >> _HALF
        middle = _MULTIPLIERS_HIGH * low + (_MULTIPLIERS_LOW * low >> _HALF)
        crossed = _MULTIPLIERS_LOW * high + (middle & _LOW)
        top = _MULTIPLIERS_HIGH * high + (middle >> _HALF) + (crossed >> _HALF)
        left, right = top[::-1] ^ right ^ key, (_MULTIPLIERS * left)[::-1]
    return np.stack([left[0], right[0], left[1], right[1]])


def sample(
    seed: int, purpose: str, population: int, count: int, round: int = 0
) -> NDArray[np.int64]:
    """``count`` of the numbers from 0 to ``population`` - 1, ascending, all sets equally likely:
    Floyd's algorithm (Bentley and Floyd, Communications of the ACM 30, 1987) with one shared draw u
    for each j from population - count on: ⌊u (j + 1)⌋, or j where that is chosen already.
    """
    draws = generator(seed, purpose, SHARED, round).random(count).tolist()
    chosen: set[int] = set()
    for j, u in zip(range(population - count, population), draws, strict=True):
        candidate = int(u * (j + 1))
        chosen.add(j if candidate in chosen else candidate)
    return np.array(sorted(chosen), dtype=np.int64)
