import numpy as np
import pytest
import torch

from psim.errors import ConfigError
from psim.problems import newton
from psim.problems.logistic import LogisticShare
from psim.problems.regularizers import L2, Nonconvex, Unregularized
from psim.problems.rows import Rows
from psim.registry import build


@pytest.mark.parametrize("strength", [1e-6, 1e-2, 10.0])
def test_regularized_logistic_regression_is_solved_to_rounding(make_rows, strength):
    share = LogisticShare(make_rows(200, 6), L2(strength))
    x, value = newton.minimize(share)
    assert np.linalg.norm(share.gradient(torch.from_numpy(x)).numpy()) < 1e-14
    assert value == share.loss(torch.from_numpy(x))
    for seed in range(20):
        near = x + 1e-5 * np.random.default_rng(seed).standard_normal(6)
        assert share.loss(torch.from_numpy(near)) >= value


def test_duplicate_columns_do_no_harm(make_rows):
    rows = make_rows(200, 6)
    twice = Rows(np.hstack([rows.features, rows.features]), rows.labels)
    once = newton.minimize(LogisticShare(rows, Unregularized()))[1]
    assert newton.minimize(LogisticShare(twice, Unregularized()))[1] == pytest.approx(
        once, rel=1e-14
    )


def test_data_that_can_be_separated_have_no_minimizer(make_rows):
    rows = make_rows(40, 6)
    split = Rows(rows.features, np.where(rows.features[:, 0] > 0.0, 1.0, -1.0))
    with pytest.raises(ConfigError, match="no minimizer"):
        newton.minimize(LogisticShare(split, Unregularized()))


def test_too_many_dimensions_are_refused(make_rows, monkeypatch):
    monkeypatch.setattr(newton, "LARGEST_SIZE", 5)
    with pytest.raises(ConfigError, match="d = 6 exceeds the 5"):
        newton.minimize(LogisticShare(make_rows(), L2(1.0)))


def test_what_is_not_convex_is_not_minimized(make_rows):
    problem = build("problems", {"name": "logistic", "dataset": "digits"})
    with pytest.raises(ConfigError, match="give f_star: a number"):
        problem.minimum(LogisticShare(make_rows(), Nonconvex(0.1)))
