"""The references checked by means that don't depend on them: differences, identities, theorems."""

from collections.abc import Callable
from functools import partial
from itertools import combinations

import numpy as np
import pytest

from reference import problems, theory
from reference.compressors import fixed_coordinates, identity, rand_k, top_k
from reference.dcgd import dcgd
from reference.ef import ef
from reference.ef21 import ef21
from reference.ef21_plus import ef21_plus
from reference.gd import gd
from reference.trajectory import Array, Gradients, Init, local_gradients

DIMENSION = 6
WORKERS = 4
REGULARIZERS = [problems.nonconvex(0.1), problems.l2(0.3), problems.unregularized()]


def draws(seed: int) -> np.random.Generator:
    """Return a generator of its own for each test."""
    return np.random.default_rng(seed)


def samples(seed: int, rows: int = 23) -> tuple[Array, Array]:
    """Return a random matrix with unequal column scales, and labels +1 or -1."""
    rng = draws(seed)
    features = rng.standard_normal((rows, DIMENSION)) * np.arange(1.0, DIMENSION + 1.0)
    return features, rng.choice([-1.0, 1.0], rows)


class Quadratics:
    """n heterogeneous quadratics with a strongly convex mean, and all that the theorems need."""

    def __init__(self, seed: int) -> None:
        """Draw A_i symmetric and positive definite, and b_i."""
        rng = draws(seed)
        roots = rng.standard_normal((WORKERS, DIMENSION, DIMENSION))
        self.matrices = np.stack([root @ root.T + 0.5 * np.eye(DIMENSION) for root in roots])
        self.vectors = rng.standard_normal((WORKERS, DIMENSION))
        self.x0 = rng.standard_normal(DIMENSION)
        self.gradients: Gradients = [
            partial(problems.quadratic_gradient, matrix=matrix, vector=vector)
            for matrix, vector in zip(self.matrices, self.vectors, strict=True)
        ]
        self.matrix, self.vector = self.matrices.mean(axis=0), self.vectors.mean(axis=0)
        self.minimizer = np.linalg.solve(self.matrix, self.vector)
        eigenvalues = np.linalg.eigvalsh(self.matrix)
        self.pl_constant, self.smoothness = float(eigenvalues[0]), float(eigenvalues[-1])
        self.mean_smoothness = theory.quadratic_mean(
            np.array([problems.quadratic_smoothness(matrix) for matrix in self.matrices])
        )

    def gap(self, x: Array) -> float:
        """Return f(x) - f(x^*)."""
        values = [
            problems.quadratic_loss(at, self.matrix, self.vector) for at in (x, self.minimizer)
        ]
        return values[0] - values[1]

    def distortion(self, x: Array, estimates: Array) -> float:
        """Return G^t."""
        return theory.distortion(local_gradients(self.gradients, x), estimates)


def central_difference(loss: Callable[[Array], float], x: Array, width: float = 1e-6) -> Array:
    """Return the gradient by differences, coordinate by coordinate."""
    return np.array(
        [(loss(x + step) - loss(x - step)) / (2.0 * width) for step in width * np.eye(x.size)]
    )


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_logistic_gradient_is_the_derivative_of_the_loss(
    regularizer: problems.Regularizer,
) -> None:
    features, labels = samples(1)
    x = draws(2).standard_normal(DIMENSION)
    expected = central_difference(
        lambda at: problems.logistic_loss(at, features, labels, regularizer), x
    )
    actual = problems.logistic_gradient(x, features, labels, regularizer)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-8)


def test_least_squares_gradient_is_the_derivative_of_the_loss() -> None:
    features, labels = samples(3)
    x = draws(4).standard_normal(DIMENSION)
    expected = central_difference(lambda at: problems.least_squares_loss(at, features, labels), x)
    actual = problems.least_squares_gradient(x, features, labels)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


def test_quadratic_gradient_is_the_derivative_of_the_loss() -> None:
    quadratics = Quadratics(5)
    matrix, vector = quadratics.matrices[0], quadratics.vectors[0]
    expected = central_difference(
        lambda at: problems.quadratic_loss(at, matrix, vector), quadratics.x0
    )
    actual = problems.quadratic_gradient(quadratics.x0, matrix, vector)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_logistic_loss_is_the_naive_formula_where_that_one_works() -> None:
    features, labels = samples(6)
    x = draws(7).standard_normal(DIMENSION)
    naive = sum(np.log(1 + np.exp(-y * (a @ x))) for a, y in zip(features, labels, strict=True))
    penalty = sum(0.1 * xj**2 / (1 + xj**2) for xj in x)
    actual = problems.logistic_loss(x, features, labels, problems.nonconvex(0.1))
    assert actual == pytest.approx(naive / labels.size + penalty, rel=1e-13)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_logistic_regression_survives_huge_margins(sign: float) -> None:
    features, labels = np.array([[1e4]]), np.array([sign])
    none = problems.unregularized()
    x = np.array([1.0])
    loss = problems.logistic_loss(x, features, labels, none)
    gradient = problems.logistic_gradient(x, features, labels, none)
    assert loss == (1e4 if sign < 0 else 0.0)
    assert gradient[0] == (1e4 if sign < 0 else 0.0)


@pytest.mark.parametrize("rows", [3, 23])
@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_logistic_smoothness_is_the_norm_of_the_hessian_at_zero(
    regularizer: problems.Regularizer, rows: int
) -> None:
    features, labels = samples(8, rows)
    width = 1e-5
    columns = [
        problems.logistic_gradient(step, features, labels, regularizer)
        - problems.logistic_gradient(-step, features, labels, regularizer)
        for step in width * np.eye(DIMENSION)
    ]
    hessian = np.stack(columns) / (2.0 * width)
    constant = problems.logistic_smoothness(features, regularizer)
    assert constant == pytest.approx(np.linalg.norm(hessian, 2), rel=1e-6)


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_logistic_smoothness_bounds_the_change_of_the_gradient(
    regularizer: problems.Regularizer,
) -> None:
    features, labels = samples(9)
    constant = problems.logistic_smoothness(features, regularizer)
    for x, y in 3.0 * draws(10).standard_normal((200, 2, DIMENSION)):
        change = problems.logistic_gradient(x, features, labels, regularizer)
        change -= problems.logistic_gradient(y, features, labels, regularizer)
        assert np.linalg.norm(change) <= constant * np.linalg.norm(x - y)


@pytest.mark.parametrize("rows", [3, 23])
def test_least_squares_smoothness_is_the_norm_of_the_hessian(rows: int) -> None:
    features, labels = samples(11, rows)
    offset = problems.least_squares_gradient(np.zeros(DIMENSION), features, labels)
    hessian = np.stack(
        [problems.least_squares_gradient(e, features, labels) - offset for e in np.eye(DIMENSION)]
    )
    constant = problems.least_squares_smoothness(features)
    assert constant == pytest.approx(np.linalg.norm(hessian, 2), rel=1e-12)


def test_quadratic_smoothness_counts_negative_curvature() -> None:
    assert problems.quadratic_smoothness(np.diag([1.0, -3.0, 2.0])) == pytest.approx(3.0)


def test_split_gives_the_remainder_to_the_last_worker() -> None:
    rows = np.arange(11)
    shares = [list(rows[share]) for share in problems.split(11, 4)]
    assert shares == [[0, 1], [2, 3], [4, 5], [6, 7, 8, 9, 10]]


def test_split_reproduces_the_sizes_of_table_3() -> None:
    for total, size in ((11055, 552), (8124, 406), (32561, 1628), (49749, 2487)):
        shares = problems.split(total, 20)
        assert {share.stop - share.start for share in shares[:-1]} == {size}
        assert shares[-1] == slice(19 * size, total)


def test_top_k_is_the_best_subset_and_the_first_among_equals() -> None:
    rng = draws(12)
    for _ in range(50):
        v = rng.integers(-3, 4, DIMENSION).astype(np.float64)
        for k in range(1, DIMENSION + 1):
            # combinations come in lexicographic order and max keeps the first of equals
            best = list(max(combinations(range(DIMENSION), k), key=lambda s: sum(v[list(s)] ** 2)))
            expected = [v[j] if j in best else 0.0 for j in range(DIMENSION)]
            np.testing.assert_array_equal(top_k(v, k), expected)


def test_rand_k_keeps_the_drawn_entries_and_is_unbiased_when_scaled() -> None:
    v = draws(13).standard_normal(DIMENSION)
    subsets = [np.array(s) for s in combinations(range(DIMENSION), 2)]
    np.testing.assert_array_equal(rand_k(v, subsets[0], 3.0)[:2], 3.0 * v[:2])
    mean = np.mean([rand_k(v, subset, DIMENSION / 2) for subset in subsets], axis=0)
    np.testing.assert_allclose(mean, v, rtol=1e-13)


@pytest.mark.parametrize("method", [dcgd, ef, ef21, ef21_plus])
@pytest.mark.parametrize("compress", [identity, partial(top_k, k=DIMENSION)])
def test_without_compression_every_method_is_gradient_descent(
    method: Callable[..., tuple[list[Array]]], compress: Callable[[Array], Array]
) -> None:
    quadratics = Quadratics(14)
    step_size = 1.0 / quadratics.smoothness
    expected = gd(quadratics.gradients, quadratics.x0, step_size, 30).iterates
    actual = method(quadratics.gradients, quadratics.x0, step_size, compress, 30)[0]
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)


def test_gradient_descent_on_a_quadratic_has_its_closed_form() -> None:
    quadratics = Quadratics(15)
    step_size = 1.0 / quadratics.smoothness
    factor = np.linalg.matrix_power(np.eye(DIMENSION) - step_size * quadratics.matrix, 25)
    expected = quadratics.minimizer + factor @ (quadratics.x0 - quadratics.minimizer)
    actual = gd(quadratics.gradients, quadratics.x0, step_size, 25).iterates[-1]
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


def test_theorem_1_ef_and_ef21_coincide_for_an_additive_compressor() -> None:
    quadratics = Quadratics(16)
    compress = fixed_coordinates(np.array([True, False, True, True, False, False]))
    step_size = 0.5 / quadratics.smoothness
    arguments = (quadratics.gradients, quadratics.x0, step_size, compress, 40)
    error_feedback, markov = ef(*arguments), ef21(*arguments)
    np.testing.assert_allclose(error_feedback.iterates, markov.iterates, rtol=1e-10, atol=1e-12)
    scaled = step_size * np.stack(markov.estimates)
    np.testing.assert_allclose(error_feedback.messages, scaled, rtol=1e-9, atol=1e-12)


def test_ef_and_ef21_differ_for_top_k() -> None:
    quadratics = Quadratics(17)
    step_size = 0.5 / quadratics.smoothness
    arguments = (quadratics.gradients, quadratics.x0, step_size, partial(top_k, k=1), 5)
    assert not np.allclose(ef(*arguments).iterates[-1], ef21(*arguments).iterates[-1])


def test_ef_worked_by_hand_on_a_constant_gradient() -> None:
    def constant(_: Array) -> Array:
        return np.array([4.0, 3.0])

    # gamma grad = (2, 1.5). The second coordinate wins once its error is added: 3 > 2.
    run = ef([constant], np.zeros(2), 0.5, partial(top_k, k=1), 2)
    np.testing.assert_array_equal(run.messages, [[[2, 0]], [[0, 3]], [[4, 0]]])
    np.testing.assert_array_equal(run.errors, [[[0, 0]], [[0, 1.5]], [[2, 0]]])
    np.testing.assert_array_equal(run.iterates, [[0, 0], [-2, 0], [-2, -3]])


def test_ef_loses_nothing_the_corrected_iterate_takes_plain_gradient_steps() -> None:
    quadratics = Quadratics(18)
    step_size = 0.2 / quadratics.smoothness
    run = ef(quadratics.gradients, quadratics.x0, step_size, partial(top_k, k=1), 40)
    corrected = [x - e.mean(axis=0) for x, e in zip(run.iterates, run.errors, strict=True)]
    for t in range(40):
        gradient = local_gradients(quadratics.gradients, run.iterates[t]).mean(axis=0)
        expected = corrected[t] - step_size * gradient
        np.testing.assert_allclose(corrected[t + 1], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("init", ["compressed", "full", "zero"])
@pytest.mark.parametrize("method", [ef21, ef21_plus])
def test_the_first_estimates_are_as_asked(
    method: Callable[..., tuple[list[Array], list[Array]]], init: Init
) -> None:
    quadratics = Quadratics(19)
    compress = partial(top_k, k=2)
    local = local_gradients(quadratics.gradients, quadratics.x0)
    expected = {
        "compressed": np.stack([compress(row) for row in local]),
        "full": local,
        "zero": np.zeros_like(local),
    }[init]
    iterates, estimates = method(quadratics.gradients, quadratics.x0, 0.1, compress, 1, init)[:2]
    np.testing.assert_array_equal(estimates[0], expected)
    np.testing.assert_allclose(iterates[1], quadratics.x0 - 0.1 * expected.mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize("init", ["compressed", "full", "zero"])
@pytest.mark.parametrize("method", [ef21, ef21_plus])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_theorem_2_bounds_the_mean_squared_gradient(
    method: Callable[..., tuple[list[Array], list[Array]]], k: int, init: Init
) -> None:
    quadratics = Quadratics(20)
    alpha, rounds = k / DIMENSION, 300
    step_size = theory.theorem_2_step_size(alpha, quadratics.smoothness, quadratics.mean_smoothness)
    iterates, estimates = method(
        quadratics.gradients, quadratics.x0, step_size, partial(top_k, k=k), rounds, init
    )[:2]
    gradients = [quadratics.matrix @ x - quadratics.vector for x in iterates]
    gap, distortion = (
        quadratics.gap(iterates[0]),
        quadratics.distortion(iterates[0], estimates[0]),
    )
    for horizon in (1, 10, rounds):
        mean = np.mean([gradient @ gradient for gradient in gradients[:horizon]])
        assert mean <= theory.theorem_2_bound(alpha, step_size, horizon, gap, distortion)


@pytest.mark.parametrize("method", [ef21, ef21_plus])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_theorem_3_bounds_the_lyapunov_function(
    method: Callable[..., tuple[list[Array], list[Array]]], k: int
) -> None:
    quadratics = Quadratics(21)
    alpha, mu = k / DIMENSION, quadratics.pl_constant
    step_size = theory.theorem_3_step_size(
        alpha, quadratics.smoothness, quadratics.mean_smoothness, mu
    )
    iterates, estimates = method(
        quadratics.gradients, quadratics.x0, step_size, partial(top_k, k=k), 400
    )[:2]
    psi = [
        theory.lyapunov(alpha, step_size, quadratics.gap(x), quadratics.distortion(x, g))
        for x, g in zip(iterates, estimates, strict=True)
    ]
    for t, value in enumerate(psi):
        assert value <= theory.theorem_3_bound(step_size, mu, t, psi[0]) + 1e-12


def test_ef21_plus_keeps_the_less_distorted_of_the_two() -> None:
    quadratics = Quadratics(22)
    compress = partial(top_k, k=1)
    run = ef21_plus(quadratics.gradients, quadratics.x0, 1.0 / quadratics.smoothness, compress, 60)
    assert 0 < np.sum(run.branches) < 60 * WORKERS
    for t in range(60):
        local = local_gradients(quadratics.gradients, run.iterates[t + 1])
        for i, gradient in enumerate(local):
            plain = compress(gradient)
            markov = run.estimates[t][i] + compress(gradient - run.estimates[t][i])
            losses = [np.sum((choice - gradient) ** 2) for choice in (markov, plain)]
            chosen = np.sum((run.estimates[t + 1][i] - gradient) ** 2)
            assert chosen == pytest.approx(min(losses), rel=1e-12)
            assert run.branches[t][i] == (losses[0] > losses[1])


def test_ef21_plus_takes_the_markov_branch_on_a_tie() -> None:
    def constant(_: Array) -> Array:
        return np.array([2.0, 1.0])

    # g^0 = C(grad) on (2, 1) is (2, 0) and the next Markov message completes it; from g^0 = 0 the
    # first messages are the same, a tie.
    run = ef21_plus([constant], np.zeros(2), 0.1, partial(top_k, k=1), 2, init="zero")
    np.testing.assert_array_equal(run.branches, [[False], [False]])
    np.testing.assert_array_equal(run.estimates, [[[0, 0]], [[2, 0]], [[2, 1]]])


def three_quadratics() -> Gradients:
    """f_i = <a_i, x>^2 + ||x||^2 / 4 (Beznosikov et al. 2020, "On biased compression", Ex. 1)."""
    rows = np.array([[-3.0, 2.0, 2.0], [2.0, -3.0, 2.0], [2.0, 2.0, -3.0]])
    # <a, x>^2 + ||x||^2 / 4 = 1/2 x^T (2 a a^T + I/2) x
    return [
        partial(
            problems.quadratic_gradient,
            matrix=2.0 * np.outer(row, row) + 0.5 * np.eye(3),
            vector=np.zeros(3),
        )
        for row in rows
    ]


@pytest.mark.parametrize("step_size", [0.001, 0.01, 0.1])
def test_dcgd_with_top_1_diverges_at_the_predicted_rate(step_size: float) -> None:
    run = dcgd(three_quadratics(), np.ones(3), step_size, partial(top_k, k=1), 50)
    expected = [(1.0 + 11.0 * step_size / 6.0) ** t * np.ones(3) for t in range(51)]
    np.testing.assert_allclose(run.iterates, expected, rtol=1e-12)


@pytest.mark.parametrize("method", [ef21, ef21_plus])
def test_ef21_converges_where_dcgd_diverges(method: Callable[..., tuple[list[Array]]]) -> None:
    # Each Hessian is 2 a a^T + I/2, of norm 2 * 17 + 1/2; their mean's is at most that.
    constant = 34.5
    step_size = theory.theorem_2_step_size(1 / 3, constant, constant)
    run = method(three_quadratics(), np.ones(3), step_size, partial(top_k, k=1), 8000)
    assert np.linalg.norm(run[0][-1]) < 1e-6


@pytest.mark.parametrize("alpha", [0.001, 0.25, 0.9, 1.0])
def test_theta_and_beta_give_the_least_ratio(alpha: float) -> None:
    ratio = theory.beta(alpha) / theory.theta(alpha)
    assert theory.root_ratio(alpha) == pytest.approx(np.sqrt(ratio), rel=1e-10, abs=1e-12)
    # Lemma 3: no s in (0, alpha / (1 - alpha)) has a smaller beta(s) / theta(s).
    rest = 1.0 - alpha
    for share in np.linspace(0.01, 0.99, 99) if rest else []:
        s = share * alpha / rest
        assert ratio <= rest * (1.0 + 1.0 / s) / (1.0 - rest * (1.0 + s)) * (1.0 + 1e-9)


def test_the_step_sizes_at_a_point_worked_by_hand() -> None:
    # alpha = 3/4: theta = 1/2, beta = 1/2, so the root is 1.
    assert theory.theorem_2_step_size(0.75, 2.0, 3.0) == pytest.approx(1 / 5)
    assert theory.theorem_3_step_size(0.75, 2.0, 3.0, 0.1) == pytest.approx(
        1 / (2 + 3 * np.sqrt(2))
    )
    assert theory.theorem_3_step_size(0.75, 2.0, 3.0, 10.0) == pytest.approx(1 / 40)
