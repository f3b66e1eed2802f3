import numpy as np
import pytest
import torch
from reference import problems as reference

from psim.errors import ConfigError, DataError
from psim.problems.quadratic import Quadratic, QuadraticShare
from psim.registry import build


def quadratic(**parameters: object) -> Quadratic:
    problem = build("problems", {"name": "quadratic", **parameters})
    assert isinstance(problem, Quadratic)
    return problem


def symmetric(seed: int, size: int = 5) -> np.ndarray:
    matrix = np.random.default_rng(seed).standard_normal((size, size))
    return matrix + matrix.T


def test_loss_gradient_and_smoothness_are_the_reference_s():
    matrix, vector = symmetric(0), np.arange(5.0)
    share = QuadraticShare(matrix, vector)
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal(5)
        at = torch.from_numpy(x)
        expected = reference.quadratic_loss(x, matrix, vector)
        assert share.loss(at) == pytest.approx(expected, rel=1e-12)
        gradient = reference.quadratic_gradient(x, matrix, vector)
        np.testing.assert_allclose(share.gradient(at).numpy(), gradient, rtol=1e-12, atol=1e-13)
        loss, again = share.loss_and_gradient(at)
        assert loss == share.loss(at)
        assert torch.equal(again, share.gradient(at))
    assert share.smoothness() == pytest.approx(reference.quadratic_smoothness(matrix), rel=1e-13)


def test_an_indefinite_matrix_has_its_largest_magnitude_as_smoothness():
    assert QuadraticShare(np.diag([1.0, -3.0]), np.zeros(2)).smoothness() == pytest.approx(3.0)


@pytest.mark.parametrize("heterogeneity", [0.0, 0.4, 1.0])
def test_drawn_spectra_lie_between_mu_and_l(heterogeneity):
    problem = quadratic(dimension=12, mu=0.5, L=4.0, heterogeneity=heterogeneity)
    shares = problem.shares({}, workers=4, seed=7)
    for rank in range(4):
        values = np.linalg.eigvalsh(shares.share(rank).hessian(torch.zeros(12)))
        assert values[0] >= 0.5 - 1e-12
        assert values[-1] <= 4.0 + 1e-12


def test_without_heterogeneity_all_workers_are_alike():
    shares = quadratic(dimension=6, heterogeneity=0.0).shares({}, workers=3, seed=1)
    x = torch.randn(6, dtype=torch.float64)
    assert torch.equal(shares.share(0).gradient(x), shares.share(2).gradient(x))
    apart = quadratic(dimension=6).shares({}, workers=3, seed=1)
    assert not torch.allclose(apart.share(0).gradient(x), apart.share(2).gradient(x))


def test_a_rank_draws_the_same_among_any_number_of_workers():
    few = quadratic(dimension=6).shares({}, workers=2, seed=1).share(1)
    many = quadratic(dimension=6).shares({}, workers=9, seed=1).share(1)
    x = torch.randn(6, dtype=torch.float64)
    assert torch.equal(few.gradient(x), many.gradient(x))


def test_the_problem_s_own_seed_goes_before_the_run_s():
    x = torch.randn(6, dtype=torch.float64)
    own = quadratic(dimension=6, seed=3)
    gradients = [own.shares({}, 2, seed).share(0).gradient(x) for seed in (0, 1)]
    assert torch.equal(*gradients)
    run = quadratic(dimension=6).shares({}, 2, 3).share(0).gradient(x)
    assert torch.equal(gradients[0], run)


def test_the_mean_s_minimum_is_that_of_a_solve():
    problem = quadratic(dimension=8)
    shares = problem.shares({}, workers=3, seed=0)
    x, value = problem.minimum(shares.mean())
    pairs = [shares.pair(rank) for rank in range(3)]
    matrix, vector = (np.mean([pair[part] for pair in pairs], axis=0) for part in (0, 1))
    np.testing.assert_allclose(x, np.linalg.solve(matrix, vector), rtol=1e-12)
    assert value == pytest.approx(-0.5 * vector @ x, rel=1e-14)
    assert problem.pl_constant(shares.mean()) == pytest.approx(np.linalg.eigvalsh(matrix)[0])


def test_an_indefinite_mean_has_no_minimum():
    problem = quadratic(path="/nowhere.npz")
    with pytest.raises(ConfigError, match="falls without end"):
        problem.minimum(QuadraticShare(np.diag([1.0, -1.0]), np.zeros(2)))
    assert problem.pl_constant(QuadraticShare(np.diag([1.0, -1.0]), np.zeros(2))) is None


def test_a_singular_mean_needs_b_in_its_range():
    problem = quadratic(path="/nowhere.npz")
    flat = np.diag([2.0, 0.0])
    x, value = problem.minimum(QuadraticShare(flat, np.array([2.0, 0.0])))
    np.testing.assert_allclose(x, [1.0, 0.0])
    assert value == pytest.approx(-1.0)
    with pytest.raises(ConfigError, match="falls without end"):
        problem.minimum(QuadraticShare(flat, np.array([2.0, 1.0])))


def test_the_defaults_stand_in_the_document():
    assert quadratic().document() == {
        "name": "quadratic",
        "smoothness": "pooled",
        "batch": "full",
        "dimension": 100,
        "mu": 0.1,
        "L": 1.0,
        "heterogeneity": 1.0,
    }
    file = quadratic(path="/data/quadratics.npz")
    assert build("problems", file.document()) == file
    assert "mu" not in file.document()


@pytest.mark.parametrize(
    ("parameters", "key"),
    [
        ({"mu": 2.0, "L": 1.0}, "mu"),
        ({"path": "a.npz", "mu": 1.0}, "mu"),
        ({"path": "a.npz", "seed": 1}, "seed"),
        ({"heterogeneity": 2.0}, "heterogeneity"),
        ({"dimension": 0}, "dimension"),
    ],
)
def test_wrong_parameters_are_named(parameters, key):
    with pytest.raises(ConfigError) as error:
        quadratic(**parameters)
    assert error.value.path == key


ASYMMETRIC = np.array([[[1.0, 2.0], [0.0, 1.0]]])


@pytest.mark.parametrize(
    ("arrays", "workers", "said"),
    [
        ({"A": np.eye(2)[None]}, 1, "no array b"),
        ({"A": np.eye(2), "b": np.zeros((1, 2))}, 1, r"shape \(2, 2\)"),
        ({"A": np.eye(2)[None], "b": np.zeros(())}, 1, r"b \(\)"),
        ({"A": np.eye(2)[None], "b": np.zeros((1, 2))}, 3, "1 quadratics for 3 workers"),
        ({"A": ASYMMETRIC, "b": np.zeros((1, 2))}, 1, r"A\[0\] is not symmetric"),
        ({"A": np.eye(2)[None] * np.nan, "b": np.zeros((1, 2))}, 1, "A holds"),
        ({"A": np.eye(2)[None], "b": np.array([["x", "y"]])}, 1, "b holds"),
        ({"A": np.zeros((0, 0, 0)), "b": np.zeros((0, 0))}, 1, "use"),
    ],
)
def test_wrong_arrays_are_named(arrays, workers, said):
    with pytest.raises(DataError, match=said):
        quadratic(path="/data/file.npz").shares(arrays, workers, 0)
