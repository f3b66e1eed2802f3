import numpy as np
import pytest
from scipy.sparse import csr_array

from psim.problems import spectrum
from psim.problems.products import Dense, SparseRows


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_the_largest_eigenvalue_of_the_gram_matrix(shape, monkeypatch):
    rng = np.random.default_rng(0)
    matrix, weights = rng.standard_normal(shape), rng.random(shape[0])
    expected = np.linalg.eigvalsh(matrix.T @ (weights[:, None] * matrix))[-1]
    forms = (Dense(matrix), SparseRows(csr_array(matrix)))
    for form in forms:
        assert spectrum.largest_of_gram(form, weights) == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(spectrum, "LARGEST_DENSE", 1)
    for form in forms:
        found = spectrum.largest_of_gram(form, weights)
        assert found == pytest.approx(expected, rel=1e-12)
        assert found == spectrum.largest_of_gram(form, weights)


def test_a_matrix_of_zeros_has_the_eigenvalue_zero():
    assert spectrum.largest_of_gram(Dense(np.zeros((4, 3))), np.ones(4)) == 0.0


def test_rounding_is_no_eigenvalue():
    values = np.array([-1e-17, 1e-16, 1e-3, 1.0])
    assert spectrum.smallest_nonzero(values, 10) == 1e-3
    assert spectrum.smallest_nonzero(np.zeros(3), 10) is None
