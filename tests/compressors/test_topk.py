import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from psim.compressors.topk import _largest_numpy, _largest_torch, largest

ODD = [0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e-300, 1.0, -1.0, 1e308, -1.7e308]
UNSOUND = [np.nan, -np.nan, np.inf, -np.inf]


def entries(width: int = 64) -> st.SearchStrategy[float]:
    """Any float, and the odd ones often enough that many are tied."""
    with np.errstate(over="ignore"):
        odd = np.array(ODD + UNSOUND).astype(f"f{width // 8}").tolist()
    return st.sampled_from(odd) | st.floats(width=width)


@st.composite
def vectors(draw: st.DrawFn, width: int = 64) -> tuple[np.ndarray, int]:
    vector = draw(arrays(f"f{width // 8}", st.integers(1, 40), elements=entries(width)))
    return vector, draw(st.integers(1, vector.size))


def by_sorting(vector: np.ndarray, k: int) -> np.ndarray:
    """The rule itself: a stable sort by magnitude, NaN taken for infinite."""
    magnitude = np.where(np.isnan(vector), np.inf, np.abs(vector))
    return np.sort(np.argsort(-magnitude, kind="stable")[:k])


@given(vectors())
@example((np.array([np.inf, np.nan, 1.0]), 1))
@example((np.array([1.0, np.nan, np.inf, np.nan]), 2))
def test_the_selection_on_the_host_is_that_of_a_stable_sort(case: tuple[np.ndarray, int]) -> None:
    vector, k = case
    np.testing.assert_array_equal(_largest_numpy(vector, k), by_sorting(vector, k))


@given(vectors())
@example((np.array([np.inf, np.nan, 1.0]), 1))
def test_the_selection_of_other_devices_is_that_of_a_stable_sort(
    case: tuple[np.ndarray, int],
) -> None:
    vector, k = case
    selected = _largest_torch(torch.from_numpy(vector), k)
    np.testing.assert_array_equal(selected.numpy(), by_sorting(vector, k))


@given(vectors(width=32))
def test_both_selections_agree_on_single_precision(case: tuple[np.ndarray, int]) -> None:
    vector, k = case
    expected = by_sorting(vector, k)
    np.testing.assert_array_equal(_largest_numpy(vector, k), expected)
    np.testing.assert_array_equal(_largest_torch(torch.from_numpy(vector), k).numpy(), expected)


@given(vectors(width=16))
def test_half_precision_is_selected_alike(case: tuple[np.ndarray, int]) -> None:
    vector, k = case
    selected = largest(torch.from_numpy(vector), k)
    np.testing.assert_array_equal(selected.numpy(), by_sorting(vector, k))


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_among_equals_the_lowest_indices_are_kept(k: int) -> None:
    vector = torch.tensor([1.0, -2.0, 2.0, 2.0, -1.0, 1.0], dtype=torch.float64)
    order = [1, 2, 3, 0, 4, 5]
    assert largest(vector, k).tolist() == sorted(order[:k])


def test_keeping_all_keeps_nan_too() -> None:
    vector = torch.tensor([float("nan"), 0.0, 3.0])
    assert largest(vector, 3).tolist() == [0, 1, 2]


def test_the_vector_is_left_as_it_was() -> None:
    vector = torch.tensor([3.0, float("nan"), -7.0, 1.0])
    before = vector.clone()
    largest(vector, 2)
    assert torch.equal(vector.nan_to_num(9.0), before.nan_to_num(9.0))
