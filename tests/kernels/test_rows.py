"""Top-k of the rows of a table, and the steps around it: compiled and in numpy, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from psim.compressors.tables import Largest
from psim.methods.compress_rows import CompressRows, Kept
from psim.vectors import torch

WORKERS, SIZE = 6, 9
ODD = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 5e-324, np.inf, -np.inf, np.nan])
TABLES = arrays(np.float64, (4, SIZE), elements=ODD | st.floats())
TYPES = [torch.float32, torch.float64]


def steps(tables, k, dtype, step):
    """What is sent in some rounds, and what is kept in the end: compiled, and in numpy."""
    found = []
    for compiled in (True, False):
        compress, kept = CompressRows(Largest(k), dtype, compiled), Kept(WORKERS, SIZE)
        sent = [step(compress, kept, table.copy(), number) for number, table in enumerate(tables)]
        found.append((sent, kept.of(np.arange(WORKERS))))
    return found


def check(found, dtype):
    (mine, kept), (other, its) = found
    for one, two in zip(mine, other, strict=True):
        assert one.indices.tolist() == two.indices.tolist()
        assert one.type == two.type == str(dtype).removeprefix("torch.")
        np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(kept, its)
    assert (np.signbit(kept) == np.signbit(its))[~np.isnan(kept)].all()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@settings(max_examples=60, deadline=None)
@given(tables=st.lists(TABLES, min_size=1, max_size=3), k=st.integers(1, SIZE - 1), data=st.data())
@np.errstate(all="ignore")
def test_both_forms_select_send_and_keep_the_same(tables, k, dtype, data):
    chosen = st.permutations(range(WORKERS)).map(lambda ranks: np.array(sorted(ranks[:4])))
    ranks = [data.draw(chosen) for _ in tables]
    factor = data.draw(st.sampled_from([0.1, -3.0, 1e300]))
    for step in (
        lambda compress, kept, table, t: compress.difference(table, kept, ranks[t]),
        lambda compress, kept, table, t: compress.after_adding(kept, table, factor, ranks[t]),
        lambda compress, _kept, table, _t: compress(table),
    ):
        check(steps(tables, k, dtype, step), dtype)


@pytest.mark.parametrize("k", [1, 2, 300, 1999])
@pytest.mark.parametrize("kind", ["normal", "constant", "ascending", "descending", "two"])
def test_longer_rows(kind, k):
    size, draws = 2000, np.random.default_rng(k)
    table = {
        "normal": draws.normal(size=(3, size)),
        "constant": np.ones((3, size)),
        "ascending": np.tile(np.arange(size, dtype=float), (3, 1)),
        "descending": np.tile(np.arange(size, dtype=float)[::-1], (3, 1)),
        "two": draws.choice([1.0, -2.0], (3, size)),
    }[kind]
    mine, other = (CompressRows(Largest(k), torch.float64, each)(table) for each in (True, False))
    assert np.array_equal(mine.indices, other.indices)
    assert np.array_equal(mine.values, other.values)
