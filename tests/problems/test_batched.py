"""Many shares at once are the shares, to the bit."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from psim import random
from psim.problems.batched import BatchedLogistic, OneByOne, batched_logistic
from psim.problems.logistic import Logistic
from psim.problems.pool import TOGETHER, Pool
from psim.problems.quadratic import Quadratic
from psim.problems.rows import Rows
from psim.problems.samples import SampleShares
from psim.vectors import torch

SIZE, COUNT, WORKERS = 30, 50, 17
DRAWS = np.random.default_rng(4)
LABELS = np.where(DRAWS.random(COUNT) < 0.5, -1.0, 1.0)


def features(ones):
    """Rows of up to four entries, less than a fifth of them."""
    matrix = np.zeros((COUNT, SIZE))
    for number, row in enumerate(matrix):
        places = DRAWS.choice(SIZE, number % 5, replace=False)
        row[places] = 1.0 if ones else DRAWS.normal(size=len(places))
    return csr_array(matrix)


def problem(**keys):
    return Logistic(dataset="a9a", partition="pool", rows=7, **keys)


CUTS = {
    "pool": Pool(COUNT, 7, WORKERS, 3),
    "larger": Pool(COUNT, 300, WORKERS, 3),
    "uneven": [slice(2 * i, 2 * i + 2) for i in range(16)] + [slice(32, 50)],
}


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("keys", [{}, {"regularizer": "l2", "mu": 0.3}, {"regularizer": "none"}])
def test_gradients_and_losses_are_the_shares(cuts, ones, keys):
    shares = SampleShares(problem(**keys), Rows(features(ones), LABELS), cuts)
    batched = shares.batched()
    assert isinstance(batched, BatchedLogistic)
    for scale in (0.0, 1.0, 300.0, 1e5):
        x = torch.from_numpy(DRAWS.normal(size=SIZE) * scale)
        for ranks in (np.arange(WORKERS), np.array([1, 4, 16])):
            with np.errstate(over="ignore"):
                gradients, losses = batched.gradients(x, ranks), batched.losses(x, ranks)
                alone = [shares.share(rank) for rank in ranks.tolist()]
                expected = np.array([share.gradient(x).numpy() for share in alone])
                assert gradients.tobytes() == expected.tobytes()
                assert losses.tolist() == [share.loss(x) for share in alone]


def test_rows_that_some_share_multiplies_as_a_dense_matrix_have_no_such_form():
    dense = features(ones=True).toarray()
    assert batched_logistic(Rows(dense, LABELS), CUTS["pool"], None) is None
    sparse = features(ones=True).tolil()
    sparse[3] = 1.0
    assert batched_logistic(Rows(sparse.tocsr(), LABELS), CUTS["pool"], None) is None


def test_one_by_one_asks_the_shares():
    shares = SampleShares(problem(), Rows(features(ones=False), LABELS), CUTS["pool"])
    x, ranks = torch.from_numpy(DRAWS.normal(size=SIZE)), np.array([0, 9])
    one, both = OneByOne(shares.share), shares.batched()
    assert (one.gradients(x, ranks) == both.gradients(x, ranks)).all()
    assert (one.losses(x, ranks) == both.losses(x, ranks)).all()


def test_quadratics_together_are_those_of_the_shares():
    shares = Quadratic(dimension=7).shares({}, 5, 3)
    x, ranks = torch.from_numpy(DRAWS.normal(size=7)), np.array([0, 2, 4])
    one, both = OneByOne(shares.share), shares.batched()
    for _ in range(2):
        assert (one.gradients(x, ranks) == both.gradients(x, ranks)).all()
        assert (one.losses(x, ranks) == both.losses(x, ranks)).all()
        x = x + 1.0


def test_a_pool_is_drawn_as_any_other_program_can():
    pool = Pool(32_561, 50, 10_000, 7)
    expected = [
        np.floor(32_561 * random.generator(7, "partition", i).random(50)) for i in (0, 9999)
    ]
    np.testing.assert_array_equal(pool[0], expected[0])
    np.testing.assert_array_equal(pool.table([0, 9999]), expected)
    np.testing.assert_array_equal(pool[9998:][1], expected[1])
    np.testing.assert_array_equal(np.vstack(list(pool.tables()))[[0, -1]], expected)
    assert len(pool) == 10_000 > TOGETHER
    with pytest.raises(IndexError):
        pool[10_000]


def test_the_mean_of_a_pool_weighs_rows_as_often_as_they_are_drawn():
    shares = SampleShares(problem(), Rows(features(ones=False), LABELS), CUTS["pool"])
    x = torch.from_numpy(DRAWS.normal(size=SIZE))
    gradients = [shares.share(rank).gradient(x) for rank in range(WORKERS)]
    np.testing.assert_allclose(shares.mean().gradient(x), sum(gradients) / WORKERS, rtol=1e-12)
    assert shares.rows == 7 * WORKERS
