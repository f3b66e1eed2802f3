"""Rows of a table are compressed as they are one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pieces import every, label

from psim.compressors.base import Compressor
from psim.compressors.tables import selection
from psim.compressors.topk import TopK
from psim.step import Step
from psim.vectors import torch

SIZE = 9
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 5e-324, np.inf, -np.inf, np.nan]) | st.floats()


@settings(max_examples=150, deadline=None)
@given(arrays(np.float64, (4, SIZE), elements=VALUES), st.integers(1, SIZE))
def test_the_largest_of_each_row(table, k):
    compressor = TopK(k=k)
    found = selection(compressor, SIZE)(table)
    for row, indices in zip(table, found, strict=True):
        payload, _ = compressor.compress(torch.from_numpy(row), None, Step(0, 1.0, 1, 0))
        assert indices.tolist() == payload.indices.tolist()


@pytest.mark.parametrize("piece", every("compressors"), ids=label)
def test_only_these_have_such_a_form(piece):
    assert (selection(piece, 100) is not None) == (piece.name in ("topk", "identity"))


def test_what_derives_from_one_has_none_by_that():
    class Other(TopK):
        pass

    piece: Compressor = Other(k=2)
    assert selection(piece, SIZE) is None
