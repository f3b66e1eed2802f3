"""Rand-k exactly: every choice of entries is equally likely, and the moments over all of them."""

from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
import torch

from psim.compressors.randk import RandK
from psim.step import Step
from psim.vectors import Sparse

SIZE, KEPT = 5, 2
DRAWS = 20_000
VECTOR = [3.0, -1.0, 0.5, 4.0, -2.0]
Choice = tuple[int, ...]


def draw(piece: RandK, round: int) -> Sparse:
    vector = torch.tensor(VECTOR, dtype=torch.float64)
    payload, _ = piece.compress(vector, None, Step(round, 0.1, 4, 0, 2))
    assert isinstance(payload, Sparse)
    return payload


@pytest.fixture(scope="module", params=["contractive", "unbiased"])
def drawn(request: pytest.FixtureRequest) -> tuple[RandK, dict[Choice, list[float]], list[Choice]]:
    """What is sent for each choice of entries, and the choices in order."""
    piece = RandK(k=KEPT, scale=request.param)
    sent: dict[Choice, list[float]] = {}
    order = []
    for round in range(DRAWS):
        payload = draw(piece, round)
        choice = tuple(payload.indices.tolist())
        order.append(choice)
        assert sent.setdefault(choice, payload.values.tolist()) == payload.values.tolist()
    return piece, sent, order


def test_every_choice_of_entries_is_equally_likely(drawn) -> None:
    _, sent, order = drawn
    cells = comb(SIZE, KEPT)
    assert sorted(sent) == list(combinations(range(SIZE), KEPT))
    expected = DRAWS / cells
    statistic = sum((order.count(choice) - expected) ** 2 / expected for choice in sent)
    # Chi-square with 9 degrees of freedom exceeds 45.1 with a chance of 1e-6.
    assert statistic < 45.1


def test_the_moments_over_all_choices_are_exactly_those_stated(drawn) -> None:
    piece, sent, _ = drawn
    vector = [Fraction(value) for value in VECTOR]
    mean = [Fraction(0)] * SIZE
    error = Fraction(0)
    for choice, values in sent.items():
        whole = [Fraction(0)] * SIZE
        for index, value in zip(choice, values, strict=True):
            whole[index] = Fraction(value)
        mean = [total + entry / len(sent) for total, entry in zip(mean, whole, strict=True)]
        error += sum((a - b) ** 2 for a, b in zip(whole, vector, strict=True)) / len(sent)
    length = sum(value**2 for value in vector)
    promised = Fraction(piece.guarantee(SIZE).constant).limit_denominator(1000)
    if piece.scale == "unbiased":
        assert mean == vector
        assert promised == Fraction(SIZE, KEPT) - 1
        assert error == promised * length
    else:
        assert mean == [value * KEPT / SIZE for value in vector]
        assert promised == Fraction(KEPT, SIZE)
        assert error == (1 - promised) * length


def test_ranks_and_rounds_draw_apart() -> None:
    vector = torch.arange(1000, dtype=torch.float64)
    piece = RandK(k=10)
    chosen = set()
    for rank in range(3):
        for round in range(3):
            payload, _ = piece.compress(vector, None, Step(round, 0.1, 3, 0, rank))
            chosen.add(tuple(payload.indices.tolist()))
    assert len(chosen) == 9
