import pytest

from psim.launch.local import LocalWorkers, shares


@pytest.mark.parametrize(
    ("workers", "processes", "counts"),
    [(4, 1, [4]), (4, 4, [1, 1, 1, 1]), (5, 2, [3, 2]), (20, 3, [7, 7, 6]), (1, 1, [1])],
)
def test_ranks_are_shared_evenly(workers, processes, counts):
    assert shares(workers, processes) == counts


def test_nothing_was_started():
    local = LocalWorkers()
    local.watch()
    local.end()
    assert local.processes == []
