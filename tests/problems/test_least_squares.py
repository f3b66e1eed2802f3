import numpy as np
import pytest
import torch
from reference import problems as reference
from scipy.sparse import csr_array

from psim.problems.least_squares import LeastSquares, LeastSquaresShare
from psim.problems.rows import Rows


@pytest.mark.parametrize("sparse", [False, True])
def test_loss_gradient_and_smoothness_are_the_reference_s(make_rows, sparse):
    rows = make_rows(40, 7, density=0.15 if sparse else 1.0, sparse=sparse)
    dense = rows.features.toarray() if sparse else rows.features
    share = LeastSquaresShare(rows)
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal(7)
        data, at = (x, dense, rows.labels), torch.from_numpy(x)
        assert share.loss(at) == pytest.approx(reference.least_squares_loss(*data), rel=1e-13)
        gradient = reference.least_squares_gradient(*data)
        np.testing.assert_allclose(share.gradient(at).numpy(), gradient, rtol=1e-11, atol=1e-13)
    bound = reference.least_squares_smoothness(dense)
    assert share.smoothness() == pytest.approx(bound, rel=1e-12)


def test_derivatives_are_finite_differences(make_rows):
    share = LeastSquaresShare(make_rows())
    x = np.random.default_rng(1).standard_normal(6)
    at = [(torch.from_numpy(x + step), torch.from_numpy(x - step)) for step in 1e-5 * np.eye(6)]
    slopes = [(share.loss(up) - share.loss(down)) / 2e-5 for up, down in at]
    np.testing.assert_allclose(share.gradient(torch.from_numpy(x)).numpy(), slopes, rtol=1e-7)
    bound = np.stack([share.curvature(column) for column in np.eye(6)])
    np.testing.assert_allclose(share.hessian(torch.from_numpy(x)), bound, rtol=1e-12, atol=1e-12)


def test_both_at_once_are_the_same_bits(make_rows):
    share = LeastSquaresShare(make_rows())
    x = torch.randn(6, dtype=torch.float64)
    loss, gradient = share.loss_and_gradient(x)
    assert loss == share.loss(x)
    assert torch.equal(gradient, share.gradient(x))


def test_the_pl_constant_is_of_the_smallest_nonzero_singular_value():
    rng = np.random.default_rng(3)
    features = rng.standard_normal((30, 4))
    repeated = np.hstack([features, features[:, :2]])  # of rank 4
    rows = Rows(csr_array(repeated), rng.choice([-1.0, 1.0], 30))
    problem = LeastSquares(dataset="digits")
    share = problem.share(rows)
    singular = np.linalg.svd(repeated, compute_uv=False)
    assert singular[3] > 0.1
    constant = problem.pl_constant(share)
    assert constant == pytest.approx(2.0 * singular[3] ** 2 / 30.0, rel=1e-10)
    minimum = problem.minimum(share)[1]
    for seed in range(50):
        x = torch.from_numpy(np.random.default_rng(seed).standard_normal(6))
        squared = float(torch.sum(share.gradient(x) ** 2))
        assert share.loss(x) - minimum <= squared / (2.0 * constant) * (1.0 + 1e-12)


def test_the_bound_below_is_zero():
    assert LeastSquares(dataset="digits").lower_bound() == 0.0
