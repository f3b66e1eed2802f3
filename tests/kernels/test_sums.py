"""Sums of vectors: compiled, in numpy and by torch, to the bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from psim import vectors
from psim.kernels import plain, sums, warm
from psim.kernels.choice import LONG
from psim.vectors import MANY, Dense, Sparse

TYPES = [np.float32, np.float64]


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    """What is compiled for the first time takes longer than an example may."""
    warm.prepare(LONG)


@st.composite
def messages(draw: st.DrawFn) -> tuple[int, list[np.ndarray], list[np.ndarray], np.dtype]:
    """Sparse vectors of one size, some without an entry; also of another type than their sum's."""
    size = draw(st.sampled_from([1, 9, 1000, sums.PART, sums.PART + 1, 3 * sums.PART]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(TYPES))
    indices, values = [], []
    for share in draw(st.lists(st.sampled_from([0.0, 1e-4, 0.01, 0.3]), min_size=1, max_size=5)):
        chosen = np.flatnonzero(random.random(size) < share)
        indices.append(chosen)
        values.append(random.choice([-0.0, 1e-30, 0.1, -3.3, 1e8], chosen.size).astype(dtype))
    return size, indices, values, np.dtype(draw(st.sampled_from(TYPES)))


@settings(deadline=None, max_examples=50)
@given(messages(), st.integers(1, 7))
def test_both_means_are_the_same(
    case: tuple[int, list[np.ndarray], list[np.ndarray], np.dtype], count: int
) -> None:
    size, indices, values, dtype = case
    found = sums.mean_of_sparse(size, indices, values, count, dtype)
    expected = plain.mean_of_sparse(size, indices, values, count, dtype)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.view(np.uint8), other.view(np.uint8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3])
def test_the_mean_of_payloads_is_that_of_the_dense_sum(dtype: torch.dtype, share: float) -> None:
    """Of few entries, of many, and of so many that it is dense; what the buffer held is lost."""
    size, workers = 300_000, 6
    random = torch.Generator().manual_seed(4)
    payloads = []
    for _ in range(workers):
        indices = torch.nonzero(torch.rand(size, generator=random) < share).flatten()
        values = torch.randn(indices.numel(), generator=random, dtype=dtype)
        payloads.append(Sparse(size, indices, values))
    expected = torch.zeros(size, dtype=dtype)
    for payload in payloads:
        expected.index_add_(0, payload.indices, payload.values)
    expected /= workers
    found = vectors.mean(payloads, workers, torch.full((size,), 7.0, dtype=dtype))
    assert isinstance(found, Dense) == (share == 0.3)
    assert torch.equal(vectors.densify(found, dtype), expected)
    if isinstance(found, Sparse):
        support = torch.unique(torch.cat([payload.indices for payload in payloads]))
        assert torch.equal(found.indices, support)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_many_entries_are_added_as_torch_adds_them(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(5)
    size, target = 50_000, torch.randn(50_000, generator=random, dtype=dtype)
    indices = torch.nonzero(torch.rand(size, generator=random) < 0.1).flatten()
    assert indices.numel() > MANY
    payload = Sparse(size, indices, torch.randn(indices.numel(), generator=random).to(dtype))
    added = target.clone().index_add_(0, indices, payload.values)
    assert torch.equal(vectors.add_(target.clone(), payload), added)
    taken = target.clone().index_add_(0, indices, -payload.values)
    assert torch.equal(vectors.subtract_(target.clone(), payload), taken)


@pytest.mark.parametrize("implementation", [plain, sums])
@pytest.mark.parametrize("wrong", [[-1, 3], [3, 10]])
def test_an_index_outside_of_the_vector_is_an_error(implementation, wrong: list[int]) -> None:
    indices, values = np.array(wrong), np.ones(2)
    with pytest.raises(IndexError, match="10 entries"):
        implementation.add_at(np.zeros(10), indices, values)
    with pytest.raises(IndexError, match="10 entries"):
        implementation.mean_of_sparse(10, [indices], [values], 1, np.dtype(float))


@pytest.mark.parametrize("sent", [torch.float32, torch.float64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_along_a_long_vector_is_a_product_and_a_subtraction(
    dtype: torch.dtype, sent: torch.dtype
) -> None:
    """Compiled where both are of one type; a product that were not rounded would differ."""
    random = torch.Generator().manual_seed(6)
    size = 3 * vectors.PART + 5
    x = torch.randn(size, generator=random, dtype=dtype)
    v = torch.randn(size, generator=random, dtype=sent)
    expected = x - v.to(dtype) * 0.3
    steps = x.clone().numpy()
    plain.subtract_scaled(steps, v.to(dtype).numpy(), 0.3)
    assert torch.equal(torch.from_numpy(steps), expected)
    assert torch.equal(vectors.subtract_scaled_(x, Dense(v), 0.3), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_mean_of_whole_vectors_adds_them_in_rank_order_from_zero(dtype: torch.dtype) -> None:
    """To the bit: of 1, 1e8 and -1e8 the order decides, and of zeros the sign of the first."""
    random = np.random.default_rng(7)
    size = vectors.PART + 3
    sent = [random.choice([-0.0, 1.0, 1e8, -1e8, 0.1], size).astype(np.float32) for _ in range(4)]
    expected = torch.zeros(size, dtype=dtype).numpy()
    for each in sent:
        expected += each.astype(expected.dtype)
    expected /= expected.dtype.type(3)
    payloads = [Dense(torch.from_numpy(each)) for each in sent]
    found = vectors.mean(payloads, 3, torch.full((size,), 7.0, dtype=dtype))
    assert isinstance(found, Dense)
    np.testing.assert_array_equal(found.values.numpy().view(np.uint8), expected.view(np.uint8))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_one_entry_that_is_not_finite_is_seen(wrong: float) -> None:
    vector = torch.randn(5000, generator=torch.Generator().manual_seed(8))
    assert vectors.finite(vector)
    vector[4321] = wrong
    assert not vectors.finite(vector)
