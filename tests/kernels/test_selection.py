"""The compiled selection finds what numpy's does, to the bit, on random and on awkward vectors."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psim.kernels import plain, selection, warm
from psim.kernels.choice import LONG

TYPES = [np.float32, np.float64]
ODD = [0.0, -0.0, 5e-324, -1.0, 1.0, np.inf, -np.inf, np.nan, -np.nan]
BLOCK, SAMPLED = selection.BLOCK, selection.SAMPLED_FROM


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    """What is compiled for the first time takes longer than an example may."""
    warm.prepare(LONG)


def awkward(kind: str, size: int, dtype: type, random: np.random.Generator) -> np.ndarray:
    vector = random.standard_normal(size)
    with np.errstate(all="ignore"):
        made = {
            "random": lambda: vector,
            "cubed": lambda: vector**3,
            "constant": lambda: np.full(size, -2.5),
            "ascending": lambda: np.sort(np.abs(vector)),
            "descending": lambda: np.sort(-np.abs(vector)),
            "two values": lambda: np.where(random.random(size) < 0.05, -2.0, 1.0),
            "few values": lambda: np.round(vector),
            "denormal": lambda: vector * float(np.finfo(dtype).smallest_subnormal) * 100,
            "one huge": lambda: np.where(np.arange(size) == size // 3, np.finfo(dtype).max, vector),
            "mostly 0": lambda: np.where(random.random(size) < 0.005, vector, -0.0),
            "large at first": lambda: np.where(np.arange(size) < size // 20, 1e3, 1.0) * vector,
            "odd": lambda: random.choice(ODD, size),
            "NaN": lambda: np.where(random.random(size) < 0.6, np.nan, vector),
        }[kind]()
        return made.astype(dtype)


KINDS = [
    "random", "cubed", "constant", "ascending", "descending", "two values", "few values",
    "denormal", "one huge", "mostly 0", "large at first", "odd", "NaN",
]  # fmt: skip
SIZES = st.sampled_from([1, 2, 100, BLOCK - 1, BLOCK, BLOCK + 1, SAMPLED - 1]) | st.integers(
    SAMPLED, 40_000
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Two vectors, and how many entries of one to select."""
    size, dtype = draw(SIZES), draw(st.sampled_from(TYPES))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    first, second = (awkward(draw(st.sampled_from(KINDS)), size, dtype, random) for _ in "ab")
    share = draw(st.sampled_from([1e-6, 1e-3, 0.01, 0.1, 0.5, 1.0]))
    return first, second, max(1, int(share * size))


def same(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.view(np.uint8), other.view(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("share", [1e-4, 0.01, 0.5])
def test_it_is_that_of_a_stable_sort(kind: str, dtype: type, share: float) -> None:
    """The rule itself, for both implementations."""
    vector = awkward(kind, 50_000, dtype, np.random.default_rng(1))
    k = int(share * vector.size)
    magnitude = np.where(np.isnan(vector), np.inf, np.abs(vector))
    indices = np.sort(np.argsort(-magnitude, kind="stable")[:k])
    for implementation in (plain, selection):
        same(implementation.largest(vector, k), (indices, vector[indices]))


@settings(deadline=None)
@given(cases())
def test_both_find_the_same_entries(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    vector, _, k = case
    same(selection.largest(vector, k), plain.largest(vector, k))


@settings(deadline=None)
@given(cases())
@np.errstate(all="ignore")
def test_both_find_the_same_entries_of_a_difference(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    target, kept, k = case
    before = kept.copy()
    found = selection.largest_of_difference(target, kept, k)
    same((kept,), (before,))
    indices, values = plain.largest_of_difference(target, kept, k)
    np.testing.assert_array_equal(found[0], indices)
    np.testing.assert_array_equal(found[1], values)  # which NaN a difference is, nobody says


@settings(deadline=None)
@given(cases(), st.sampled_from([1.0, 0.1, -3e-7]))
@np.errstate(all="ignore")
def test_both_find_the_same_entries_of_a_sum_and_keep_it(
    case: tuple[np.ndarray, np.ndarray, int], factor: float
) -> None:
    kept, vector, k = case
    other = kept.copy()
    found = selection.largest_of_sum(kept, vector, factor, k)
    expected = plain.largest_of_sum(other, vector, factor, k)
    for one, two in zip((*found, kept), (*expected, other), strict=True):
        np.testing.assert_array_equal(one, two)
        sound = ~np.isnan(one)
        np.testing.assert_array_equal(np.signbit(one[sound]), np.signbit(two[sound]))


@settings(deadline=None)
@given(cases(), st.sampled_from([0.0, 1e-300, 0.3, 1.0, 2.5, 1e300, np.inf]))
@np.errstate(all="ignore")
def test_both_find_the_same_entries_that_are_not_below_a_threshold(
    case: tuple[np.ndarray, np.ndarray, int], threshold: float
) -> None:
    vector = case[0]
    same(selection.at_least(vector, threshold), plain.at_least(vector, threshold))


def sampled(size: int) -> np.ndarray:
    """The places that the selection looks at first."""
    count = max(256, size // 128)
    part, state, found = size // count, 1, []
    for number in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        found.append(number * part + ((state >> 32) * part >> 32))
    return np.array(found)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("select", ["largest", "difference", "sum"])
def test_a_sample_that_misleads_costs_time_only(dtype: type, large: bool, select: str) -> None:
    """Where the sampled entries are the largest, or the smallest, of all."""
    size, k = 20_000, 2_000
    vector = np.random.default_rng(2).standard_normal(size).astype(dtype)
    vector[sampled(size)] *= dtype(1e6 if large else 1e-6)
    zeros, ones = np.zeros(size, dtype), np.ones(size, dtype)
    found, expected = {
        "largest": lambda: (selection.largest(vector, k), plain.largest(vector, k)),
        "difference": lambda: (
            selection.largest_of_difference(vector, zeros, k),
            plain.largest(vector, k),
        ),
        "sum": lambda: (
            selection.largest_of_sum(vector.copy(), ones, 0.5, k),
            plain.largest(vector + dtype(0.5), k),
        ),
    }[select]()
    same(found, expected)


@pytest.mark.parametrize("select", ["largest", "largest_of_difference", "at_least"])
def test_results_own_their_memory(select: str) -> None:
    """The next call's buffers are not those of the last result."""
    random = np.random.default_rng(3)
    call: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] = {
        "largest": lambda v: selection.largest(v, 500),
        "largest_of_difference": lambda v: selection.largest_of_difference(v, v[::-1].copy(), 500),
        "at_least": lambda v: selection.at_least(v, 2.0),
    }[select]
    first = call(random.standard_normal(10_000))
    before = [part.copy() for part in first]
    call(random.standard_normal(10_000))
    same(first, tuple(before))
