import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from psim.problems.logistic import LogisticShare
from psim.problems.products import SPARSE_BELOW, Dense, SparseRows, aligned, products
from psim.problems.regularizers import Nonconvex
from psim.problems.rows import Rows


@pytest.fixture(params=[(40, 7), (7, 40)])
def pair(request) -> tuple[Dense, SparseRows, np.ndarray]:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal(request.param) * (rng.random(request.param) < 0.3)
    return Dense(matrix), SparseRows(csr_array(matrix)), matrix


def test_sparse_equals_dense(pair):
    dense, sparse, matrix = pair
    rng = np.random.default_rng(1)
    x, r, w = (
        rng.standard_normal(dense.size),
        rng.standard_normal(dense.rows),
        rng.random(dense.rows),
    )
    gram = matrix.T @ (w[:, None] * matrix)
    for form in (dense, sparse):
        np.testing.assert_allclose(form.times(x), matrix @ x, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(form.transposed_times(r), matrix.T @ r, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(form.gram(w), gram, rtol=1e-12, atol=1e-13)
        values = np.linalg.eigvalsh(form.outer(w))
        assert values[-1] == pytest.approx(np.linalg.eigvalsh(gram)[-1], rel=1e-12)


def test_density_decides():
    matrix = np.zeros((10, 10))
    matrix.flat[: int(100 * SPARSE_BELOW) - 1] = 1.0
    assert isinstance(products(csr_array(matrix)), SparseRows)
    matrix.flat[: int(100 * SPARSE_BELOW) + 1] = 1.0
    assert isinstance(products(csr_array(matrix)), Dense)
    assert isinstance(products(matrix), Dense)


def test_shares_own_their_memory():
    matrix = np.ones((9, 3))
    for form in (Dense(matrix), SparseRows(csr_array(matrix))):
        before = form.times(np.ones(3))
        matrix[:] = 5.0
        np.testing.assert_array_equal(form.times(np.ones(3)), before)
        matrix[:] = 1.0


@pytest.mark.parametrize("offset", range(8))
def test_copies_are_aligned(offset):
    array = np.arange(64.0)[offset:40]
    copy = aligned(array)
    assert copy.ctypes.data % 64 == 0
    np.testing.assert_array_equal(copy, array)


@pytest.mark.parametrize("density", [0.05, 1.0])
def test_bits_do_not_depend_on_threads_or_where_x_lies(density):
    rng = np.random.default_rng(2)
    features = rng.standard_normal((600, 301)) * (rng.random((600, 301)) < density)
    rows = Rows(csr_array(features), rng.choice([-1.0, 1.0], 600))
    share = LogisticShare(rows, Nonconvex(0.1))
    memory = torch.from_numpy(rng.standard_normal(400))
    found = []
    for threads in (1, 2, 4):
        for offset in (0, 1, 3):
            x = memory[:310].roll(offset)[offset : offset + 301]
            with threadpool_limits(threads):
                found.append((share.loss(x), share.gradient(x), share.smoothness()))
    for loss, gradient, smoothness in found[1:]:
        assert (loss, smoothness) == (found[0][0], found[0][2])
        assert torch.equal(gradient, found[0][1])
