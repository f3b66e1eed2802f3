"""Small problems that the tests here share."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_array

from psim.problems.rows import Rows

MakeRows = Callable[..., Rows]


@pytest.fixture
def make_rows() -> MakeRows:
    """Random samples: rows x size, a share of them non-zero, columns of unequal scales."""

    def make(rows: int = 23, size: int = 6, density: float = 1.0, sparse: bool = False) -> Rows:
        rng = np.random.default_rng([rows, size])
        features = rng.standard_normal((rows, size)) * np.arange(1.0, size + 1.0)
        features[rng.random((rows, size)) >= density] = 0.0
        labels = rng.choice([-1.0, 1.0], rows)
        return Rows(csr_array(features) if sparse else features, labels)

    return make
