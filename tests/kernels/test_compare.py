"""Sixty-four comparisons at once are sixty-four comparisons."""

import numpy as np
import pytest
from numba.core.errors import TypingError

from psim.compiled import compiled
from psim.kernels.compare import TOGETHER, reach


@compiled
def _reached(words, start, bits, most, least):
    return reach(words, start, bits, most, least)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("start", [0, 1, 36])
def test_each_bit_says_whether_its_word_reaches_the_least(dtype: type, start: int) -> None:
    whole = np.iinfo(dtype)
    random = np.random.default_rng(start)
    words = random.integers(whole.min, whole.max, 100, dtype, endpoint=True)
    words[::7] = random.choice([whole.min, -1, 0, 1, whole.max], words[::7].size)
    bits, most = dtype(whole.max), dtype(whole.max // 3 * 2)
    for least in (0, 1, whole.max // 2, int(most), int(most) + 1, whole.max):
        found = int(_reached(words, start, bits, most, dtype(least)))
        there = words[start : start + TOGETHER].tolist()
        expected = [min(word & int(bits), int(most)) >= least for word in there]
        assert [bool(found >> place & 1) for place in range(TOGETHER)] == expected


def test_words_with_gaps_are_an_error() -> None:
    whole = np.int64(1)
    with pytest.raises(TypingError):
        _reached(np.zeros(200, np.int64)[::2], 0, whole, whole, whole)
