"""psim's iterates are those of the references, which share no code and no data reader with it."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from pieces import every, firsts, label, takes
from playing import play
from reference.compressors import identity, rand_k, top_k
from reference.ef21_plus import ef21_plus
from reference.trajectory import Array
from references import REFERENCES, difference
from tasks import WORKERS, document, task

from psim.methods.base import Method

ROUNDS, FEWER = 200, 60
SAME = 1e-10


TOP = {"name": "topk", "k": 1}
MODEL = [piece for piece in every("methods") if piece.downlink == "model"]
CASES = [
    *((piece, "digits", 5, ROUNDS) for piece in firsts(MODEL)),
    *((piece, "breast_cancer", 1, FEWER) for piece in MODEL),
]
"""Each method for all rounds; each choice of its parameters for some, on other data."""


def compare(piece: Method, dataset: str, k: int, rounds: int) -> None:
    """Top-k at Theorem 2's step, or no compression at 1/L where the method compresses nothing."""
    facts = task(dataset)
    compresses = takes(piece, TOP)
    if "x_star" in type(piece).model_fields:  # any point will do for the arithmetic
        point = np.random.default_rng(1).standard_normal(facts.size) / 10
        piece = piece.model_copy(update={"x_star": tuple(point.tolist())})
    options = piece.model_dump(exclude={"downlink"})
    step_size = facts.theorem_2(k) if compresses else 1.0 / facts.pooled
    expected = REFERENCES[piece.name](
        facts.gradients,
        facts.x0,
        step_size,
        (lambda v: top_k(v, k)) if compresses else identity,
        rounds,
        **options,
    )
    played = play(
        {
            **document(dataset, rounds),
            "method": piece,
            "compressor": {"name": "topk", "k": k} if compresses else "identity",
            "step_size": {"rule": "theorem2" if compresses else "inverse_L"},
        }
    )
    assert played.experiment.setup.step_size == pytest.approx(step_size, rel=1e-12)
    assert difference(played.iterates, expected) <= SAME
    assert difference(expected[1:], expected[:-1]) > 1e-3, "it moves"


@pytest.mark.parametrize(
    ("piece", "dataset", "k", "rounds"),
    CASES,
    ids=lambda v: label(v) if isinstance(v, Method) else v,
)
def test_iterates_agree_with_the_reference(
    piece: Method, dataset: str, k: int, rounds: int
) -> None:
    if piece.name not in REFERENCES:
        pytest.skip(f"{piece.name} has no reference: write tests/reference/{piece.name}.py")
    compare(piece, dataset, k, rounds)


def test_both_branches_of_ef21_plus_agree_with_the_reference() -> None:
    facts = task("breast_cancer")
    step_size = 8.0 * facts.theorem_2(1)  # at 1x it is EF21: the plain branch is never the better
    expected = ef21_plus(
        facts.gradients, facts.x0, step_size, lambda v: top_k(v, 1), ROUNDS, init="full"
    )
    taken: list[list[object]] = []
    played = play(
        {
            **document("breast_cancer", ROUNDS),
            "method": {"name": "ef21_plus", "init": "full"},
            "compressor": TOP,
            "step_size": {"rule": "theorem2", "multiple": 8},
        },
        lambda _, sent: taken.append([packet.scalars[0] for packet in sent]),
    )
    assert difference(played.iterates, expected.iterates) <= SAME
    assert taken[0] == [False] * WORKERS
    np.testing.assert_array_equal(taken[1:], expected.branches)
    assert 10 < np.sum(expected.branches) < ROUNDS * WORKERS


def documented_choice(seed: int, rank: int, round: int, size: int, k: int) -> Array:
    """The generator that psim documents for any other program to draw from."""
    code = int.from_bytes(hashlib.sha256(b"randk").digest()[:8], "little")
    key = np.array([seed, code], dtype=np.uint64)
    counter = np.array([0, 0, rank + 1, round], dtype=np.uint64)
    draws = np.random.Generator(np.random.Philox(key=key, counter=counter))
    return draws.choice(size, k, replace=False, shuffle=False)


def drawing(seed: int, size: int, k: int, scale: float) -> Callable[[Array], Array]:
    """Rand-k for a reference, which compresses once a worker and round, in order."""
    calls = 0

    def compress(v: Array) -> Array:
        nonlocal calls
        round, rank = divmod(calls, WORKERS)
        calls += 1
        return rand_k(v, documented_choice(seed, rank, round, size, k), scale)

    return compress


@pytest.mark.parametrize(
    ("method", "scale"),
    [("dcgd", "contractive"), ("dcgd", "unbiased"), ("ef", "contractive"), ("ef21", "contractive")],
)
def test_random_choices_can_be_drawn_again_outside(method: str, scale: str) -> None:
    facts, k, seed = task("digits"), 7, 11
    factor = facts.size / k if scale == "unbiased" else 1.0
    step_size = 0.01
    expected = REFERENCES[method](
        facts.gradients,
        facts.x0,
        step_size,
        drawing(seed, facts.size, k, factor),
        50,
        init="compressed",
    )
    played = play(
        {
            **document("digits", 50),
            "seed": seed,
            "method": method,
            "compressor": {"name": "randk", "k": k, "scale": scale},
            "step_size": step_size,
        }
    )
    assert difference(played.iterates, expected) <= SAME
