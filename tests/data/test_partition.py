import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.problems import split

from psim.data.partition import partition, partition_examples
from psim.errors import DataError


@pytest.mark.parametrize(("rows", "workers"), [(32561, 20), (20, 20), (7, 3), (5, 1)])
def test_contiguous_is_the_paper_s_split(rows, workers):
    assert partition(rows, workers, "contiguous", 0) == split(rows, workers)


def test_the_remainder_goes_to_the_last_worker():
    cuts = partition(32561, 20, "contiguous", 0)
    assert [cut.stop - cut.start for cut in cuts] == [1628] * 19 + [1629]


def test_shuffled_deals_every_row_once_by_the_seed():
    cuts = partition(103, 10, "shuffled", 5)
    assert [len(cut) for cut in cuts] == [10] * 9 + [13]
    np.testing.assert_array_equal(np.sort(np.concatenate(cuts)), np.arange(103))
    again, other = partition(103, 10, "shuffled", 5), partition(103, 10, "shuffled", 6)
    np.testing.assert_array_equal(np.concatenate(cuts), np.concatenate(again))
    assert not np.array_equal(np.concatenate(cuts), np.concatenate(other))


def test_more_workers_than_samples_are_refused():
    with pytest.raises(DataError, match="12 workers cannot share 11 samples: use workers <= 11"):
        partition(11, 12, "contiguous", 0)


LABELS = np.random.default_rng(0).integers(0, 7, 500)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 12),
    st.sampled_from(["contiguous", "shuffled", "dirichlet", "class", "batches"]),
    st.integers(1, 30),
    st.integers(0, 5),
)
def test_every_example_is_assigned_once_or_the_split_is_refused(count, workers, kind, batch, seed):
    labels = LABELS[:count]
    arguments = (count, labels, workers, kind, seed, 0.5, batch)
    try:
        shares = partition_examples(*arguments)
    except DataError:
        assert kind == "dirichlet" or count // workers < batch
        return
    assert len(shares) == workers
    assert min(map(len, shares)) >= batch
    np.testing.assert_array_equal(np.sort(np.concatenate(shares)), np.arange(count))
    for one, other in zip(shares, partition_examples(*arguments), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("batch", "each"), [(128, 78), (1024, 9)])
def test_batches_are_the_ef21_paper_s_split(batch, each):
    """50,000 images are 390 whole batches of 128, or 48 of 1024."""
    shares = partition_examples(50_000, None, 5, "batches", 0, None, batch)
    assert [len(share) for share in shares[:4]] == [each * batch] * 4
    np.testing.assert_array_equal(np.concatenate(shares), np.arange(50_000))


def test_by_class_a_worker_has_few_classes():
    labels = np.arange(100) % 5
    shares = partition_examples(100, labels, 5, "class", 0)
    assert [np.unique(labels[share]).tolist() for share in shares] == [[0], [1], [2], [3], [4]]
    halves = partition_examples(100, labels, 2, "class", 0)
    assert [np.unique(labels[half]).tolist() for half in halves] == [[0, 1, 2], [2, 3, 4]]


def test_dirichlet_is_as_skewed_as_alpha_says():
    """The mean over workers of the largest class's share: 1/C for a large α, 1 for a small one."""
    labels = np.arange(20_000) % 10

    def skew(alpha: float) -> float:
        shares = partition_examples(20_000, labels, 8, "dirichlet", 3, alpha)
        counts = np.array([np.bincount(labels[share], minlength=10) for share in shares])
        return float(np.mean(counts.max(axis=1) / counts.sum(axis=1)))

    assert skew(1e4) == pytest.approx(0.1, abs=0.01)
    assert skew(1e4) < skew(0.5) < skew(0.2)
    # The share of a class that a worker has is Beta(α, (n - 1) α): mean 1/n, and this variance.
    found = [
        np.bincount(labels[share], minlength=10) / 2000
        for seed in range(60)
        for share in partition_examples(20_000, labels, 8, "dirichlet", seed, 0.5)
    ]
    assert np.mean(found) == pytest.approx(1 / 8)
    assert np.var(found) == pytest.approx((1 / 8) * (7 / 8) / (8 * 0.5 + 1), rel=0.1)


@pytest.mark.parametrize(
    ("kind", "labels", "said"),
    [
        ("class", None, "splits by class, and these data have none"),
        ("dirichlet", None, "splits by class"),
        ("contiguous", None, "rank 0 would have 3 of 10 examples, fewer than the 4 of a minibatch"),
        ("batches", None, "rank 0 would have 0 of 10 examples, fewer than the 4"),
        ("dirichlet", np.zeros(10, np.int64), "a larger alpha or another seed"),
    ],
)
def test_splits_that_leave_a_worker_without_a_minibatch(kind, labels, said):
    with pytest.raises(DataError, match=said):
        partition_examples(10, labels, 3, kind, 0, 0.01, 4)
