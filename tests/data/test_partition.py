import numpy as np
import pytest
from reference.problems import split

from psim.data.partition import partition
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
