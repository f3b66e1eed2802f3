from math import sqrt

import numpy as np
import pytest
from reference import theory as reference

from psim import theory

ALPHAS = [1e-12, 1e-6, 1 / 123, 0.1, 0.5, 0.99, 1.0]


@pytest.mark.parametrize("alpha", ALPHAS[2:])
def test_constants_and_step_sizes_are_the_reference_s(alpha):
    assert theory.theta(alpha) == pytest.approx(reference.theta(alpha), rel=1e-12)
    assert theory.beta(alpha) == pytest.approx(reference.beta(alpha), rel=1e-12)
    root = reference.root_ratio(alpha)
    assert theory.sqrt_beta_over_theta(alpha) == pytest.approx(root, rel=1e-12, abs=1e-15)
    assert theory.theorem2_step_size(alpha, 2.0, 3.0) == pytest.approx(
        reference.theorem_2_step_size(alpha, 2.0, 3.0), rel=1e-12
    )
    for mu in (1e-6, 1e3):
        assert theory.theorem3_step_size(alpha, 2.0, 3.0, mu) == pytest.approx(
            reference.theorem_3_step_size(alpha, 2.0, 3.0, mu), rel=1e-12
        )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_root_is_of_beta_over_theta(alpha):
    ratio = theory.beta(alpha) / theory.theta(alpha)
    assert theory.sqrt_beta_over_theta(alpha) == pytest.approx(sqrt(ratio), rel=1e-12)
    assert theory.sqrt_beta_over_theta(alpha) <= 2.0 / alpha - 1.0


@pytest.mark.parametrize("alpha", ALPHAS)
def test_theta_and_beta_are_the_best_of_lemma_3(alpha):
    if alpha == 1.0:
        return
    best = theory.beta(alpha) / theory.theta(alpha)
    for s in np.linspace(0.0, alpha / (1.0 - alpha), 50)[1:-1]:
        theta, beta = 1.0 - (1.0 - alpha) * (1.0 + s), (1.0 - alpha) * (1.0 + 1.0 / s)
        if theta > 1e-6 * alpha:  # beyond, this formula's own rounding
            assert best <= beta / theta * (1.0 + 1e-3)


def test_without_compression_the_steps_are_gradient_descent_s():
    assert theory.sqrt_beta_over_theta(1.0) == 0.0
    assert theory.theta(1.0) == 1.0
    assert theory.theorem2_step_size(1.0, 4.0, 9.0) == theory.inverse_smoothness_step_size(4.0)
    assert theory.theorem3_step_size(1.0, 4.0, 9.0, 0.1) == 0.25


def test_l_tilde_is_the_quadratic_mean():
    assert theory.quadratic_mean([3.0, 4.0]) == pytest.approx(sqrt(12.5), rel=1e-15)
    assert theory.quadratic_mean((7.0,)) == 7.0


def test_bounds_are_the_reference_s():
    assert theory.theorem2_bound(0.3, 0.1, 50, gap=2.0, distortion=5.0) == pytest.approx(
        reference.theorem_2_bound(0.3, 0.1, 50, 2.0, 5.0), rel=1e-14
    )
    start = theory.lyapunov(0.3, 0.1, gap=2.0, distortion=5.0)
    assert start == pytest.approx(reference.lyapunov(0.3, 0.1, 2.0, 5.0), rel=1e-14)
    assert theory.theorem3_bound(0.1, 0.5, 50, start) == pytest.approx(
        reference.theorem_3_bound(0.1, 0.5, 50, start), rel=1e-14
    )
    assert theory.theorem3_bound(0.1, 0.5, 0, start) == start
