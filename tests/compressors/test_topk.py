import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from psim.compressors.topk import TopK, _largest_torch, largest
from psim.step import Step
from psim.vectors import Payload, Sparse

STEP = Step(0, 0.1, 2, 0, 1)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    ),
]
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
    indices, values = largest(torch.from_numpy(vector), k)
    np.testing.assert_array_equal(indices, by_sorting(vector, k))
    np.testing.assert_array_equal(values, vector[indices])


@pytest.mark.parametrize("device", DEVICES)
@given(case=vectors())
@example(case=(np.array([np.inf, np.nan, 1.0]), 1))
def test_the_selection_of_other_devices_is_that_of_a_stable_sort(
    device: str, case: tuple[np.ndarray, int]
) -> None:
    vector, k = case
    selected = _largest_torch(torch.from_numpy(vector).to(device), k)
    assert selected.device.type == device
    np.testing.assert_array_equal(selected.cpu(), by_sorting(vector, k))


@given(vectors(width=32))
@example((np.array([np.nan, 0.0, 0.0, 0.0], np.float32), 3))
def test_both_selections_agree_on_single_precision(case: tuple[np.ndarray, int]) -> None:
    vector, k = case
    expected = by_sorting(vector, k)
    np.testing.assert_array_equal(largest(torch.from_numpy(vector), k)[0], expected)
    np.testing.assert_array_equal(_largest_torch(torch.from_numpy(vector), k), expected)


@given(vectors(width=16))
def test_half_precision_is_selected_alike(case: tuple[np.ndarray, int]) -> None:
    vector, k = case
    selected, _ = largest(torch.from_numpy(vector), k)
    np.testing.assert_array_equal(selected, by_sorting(vector, k))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [50, 30_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_what_is_made_on_the_way_is_what_would_be_compressed(
    dtype: torch.dtype, size: int, device: str
) -> None:
    """Differences and sums, in the types of the kernels and in others, short and long."""
    random = torch.Generator().manual_seed(1)
    target, kept = (torch.randn(size, generator=random).to(device, dtype) for _ in "tk")
    compressor = TopK(k="2%")
    assert same(
        compressor.compress_difference(target, kept, None, STEP),
        compressor.compress(target - kept, None, STEP),
    )
    added = kept + target * 0.3
    assert same(
        compressor.compress_after_adding(kept, target, 0.3, None, STEP),
        compressor.compress(added, None, STEP),
    )
    assert torch.equal(kept, added)


def test_vectors_of_two_types_are_subtracted_as_torch_does() -> None:
    target, kept = torch.randn(5000, dtype=torch.float64), torch.randn(5000)
    compressor = TopK(k=100)
    assert same(
        compressor.compress_difference(target, kept, None, STEP),
        compressor.compress(target - kept, None, STEP),
    )


def same(one: tuple[Payload, object], other: tuple[Payload, object]) -> bool:
    (a, _), (b, _) = one, other
    assert isinstance(a, Sparse)
    assert isinstance(b, Sparse)
    return torch.equal(a.indices, b.indices) and torch.equal(a.values, b.values)


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_among_equals_the_lowest_indices_are_kept(k: int) -> None:
    vector = torch.tensor([1.0, -2.0, 2.0, 2.0, -1.0, 1.0], dtype=torch.float64)
    order = [1, 2, 3, 0, 4, 5]
    assert largest(vector, k)[0].tolist() == sorted(order[:k])


def test_keeping_all_keeps_nan_too() -> None:
    vector = torch.tensor([float("nan"), 0.0, 3.0])
    assert largest(vector, 3)[0].tolist() == [0, 1, 2]


def test_the_vector_is_left_as_it_was() -> None:
    vector = torch.tensor([3.0, float("nan"), -7.0, 1.0])
    before = vector.clone()
    largest(vector, 2)
    assert torch.equal(vector.nan_to_num(9.0), before.nan_to_num(9.0))
