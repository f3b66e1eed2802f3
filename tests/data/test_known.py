"""The data sets themselves; those of the LIBSVM site only where PSIM_DATA has them."""

import hashlib

import numpy as np
import pytest

from psim.data.known import KNOWN
from psim.data.libsvm import read_text
from psim.data.opened import open_problem
from psim.data.read import read_rows
from psim.registry import build

DOWNLOADED = [name for name, dataset in KNOWN.items() if not dataset.shipped]


@pytest.mark.parametrize("name", DOWNLOADED)
def test_real_files_are_what_psim_knows(name, real):
    known, text = KNOWN[name], read_text(real(name))
    assert hashlib.sha256(text).hexdigest() == known.sha256[0]
    assert len(text) == known.text_bytes
    rows = read_rows(name)
    assert (rows.count, rows.size) == (known.rows, known.dimension)
    assert set(rows.labels) == {-1.0, 1.0}


def test_a9a_has_the_published_shares(real):
    real("a9a")
    problem = open_problem(build("problems", {"name": "logistic", "dataset": "a9a"}), 20, 0)
    smoothness = problem.smoothness()
    assert len(smoothness.local) == 20
    assert smoothness.exact > smoothness.pooled  # the last worker has a row more
    assert np.mean(read_rows("a9a").labels == 1.0) == 7841 / 32561


@pytest.mark.parametrize(("name", "positive"), [("digits", 906), ("breast_cancer", 357)])
def test_shipped_data_sets_are_as_documented(name, positive):
    rows = read_rows(name)
    assert (rows.count, rows.size) == (KNOWN[name].rows, KNOWN[name].dimension)
    assert np.sum(rows.labels == 1.0) == positive
    if name == "digits":
        assert (rows.features.min(), rows.features.max()) == (0.0, 1.0)
    else:
        np.testing.assert_allclose(rows.features.mean(axis=0), 0.0, atol=1e-13)
        np.testing.assert_allclose(rows.features.std(axis=0), 1.0, rtol=1e-13)
