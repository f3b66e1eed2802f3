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
from functools import lru_cache

import numpy as np

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
