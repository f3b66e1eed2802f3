"""Sizes by arithmetic are those of the frames."""

import numpy as np
import pytest

from psim.vectors import Dense, Sparse, torch
from psim.wire.alike_sizes import same_length, sizes_like
from psim.wire.encode import encode
from psim.wire.layout import INLINE
from psim.wire.messages import Kind, Packet

RANKS = np.array([0, 1, 127, 128, 255, 256, 65_535, 65_536, 999_999])


@pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.DIAGNOSTIC])
@pytest.mark.parametrize("size", [1, *range(28, 33), 300, INLINE // 8, INLINE // 8 + 1])
@pytest.mark.parametrize("first", [0, 130, 70_000])
def test_messages_that_differ_in_the_rank(kind, size, first):
    def message(rank):
        payload = (Dense(torch.ones(size, dtype=torch.float64)),)
        return encode(Packet(kind, 300, rank, payload, (0.5,) * 2))

    found = sizes_like(message(first), first, RANKS)
    sizes = [message(rank).size for rank in RANKS.tolist()]
    assert list(zip(*(column.tolist() for column in found), strict=True)) == sizes


@pytest.mark.parametrize("manner", ["raw", "coded", "auto"])
@pytest.mark.parametrize("size", [200, 60_000, 100_000])
def test_which_indices_take_as_many_bytes_whatever_they_are(manner, size):
    draws = np.random.default_rng(0)
    for count in (0, 1, 4, 8, 16, 60):
        lists = [np.arange(count), size - 1 - np.arange(count)[::-1]]
        lists += [np.sort(draws.choice(size, count, replace=False)) for _ in range(20)]
        payloads = [Sparse(size, torch.from_numpy(i), torch.ones(count)) for i in lists]
        sizes = {encode(Packet(Kind.MESSAGE, 0, 0, (p,)), manner).size for p in payloads}
        if same_length(count, size, manner):
            assert len(sizes) == 1
        elif count > 16:
            assert len(sizes) > 1, "else they could be weighed by one"
