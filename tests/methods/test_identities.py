"""Methods that coincide under conditions that the paper names."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from pieces import every
from playing import Played, play
from references import difference
from tasks import document, task

from psim.compressors.base import Compressor, State
from psim.step import Step
from psim.vectors import Payload, Sparse

SAME = 1e-12
ROUNDS = 100


class EverySecond(Compressor):
    """Keeps a fixed set of coordinates: deterministic, positively homogeneous and additive."""

    name: ClassVar[str] = "every_second"

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: float | None = None
    ) -> tuple[Payload, State]:
        indices = torch.arange(0, vector.numel(), 2)
        return Sparse(vector.numel(), indices, vector[indices]), state

    def guarantee(self, size: int) -> None:
        return None


def run(
    method: object, compressor: object, dataset: str = "digits", rounds: int = ROUNDS
) -> Played:
    facts = task(dataset)
    return play(
        {
            **document(dataset, rounds),
            "method": method,
            "compressor": compressor,
            "step_size": 1.0 / facts.pooled,
        }
    )


@pytest.mark.parametrize("init", ["compressed", "full"])
@pytest.mark.parametrize("method", ["ef21", "ef21_plus"])
def test_without_compression_ef21_is_gradient_descent(method: str, init: str) -> None:
    whole = {"name": "topk", "k": "100%"}
    found = run({"name": method, "init": init}, whole)
    assert difference(found.iterates, run("gd", "identity").iterates) <= SAME


@pytest.mark.parametrize("method", ["ef", "dcgd"])
def test_without_compression_ef_and_dcgd_are_gradient_descent(method: str) -> None:
    whole = {"name": "topk", "k": "100%"}
    assert difference(run(method, whole).iterates, run("gd", "identity").iterates) <= SAME


def test_ef_and_ef21_coincide_for_an_additive_homogeneous_compressor() -> None:
    feedback, markov = run("ef", EverySecond()), run("ef21", EverySecond())
    assert difference(feedback.iterates, markov.iterates) <= SAME
    assert np.any(markov.iterates[-1][::2]), "it moves"
    assert not np.any(markov.iterates[-1][1::2]), "and not where nothing is sent"


@pytest.mark.parametrize("compressor", [{"name": "topk", "k": 3}, EverySecond()])
def test_ef_sgd_is_ef_for_homogeneous_compressors(compressor: object) -> None:
    scaled, plain = run("ef_sgd", compressor), run("ef", compressor)
    assert difference(scaled.iterates, plain.iterates) <= SAME


def test_ef_sgd_is_not_ef_for_a_threshold() -> None:
    threshold = {"name": "hard_threshold", "threshold": 0.002}
    assert difference(run("ef_sgd", threshold).iterates, run("ef", threshold).iterates) > 1e-3


FIRST = {piece.name: piece for piece in reversed(every("compressors"))}


@pytest.mark.parametrize(
    ("name", "memory"), [*((name, "update") for name in FIRST), ("topk", "gradient")]
)
def test_without_feedback_any_compressor_sends_compressed_gradients(name: str, memory: str) -> None:
    described = {"name": "ef_sgd", "memory": memory, "feedback": "none"}
    without, plain = (run(method, FIRST[name], rounds=20) for method in (described, "dcgd"))
    for x, y in zip(without.iterates, plain.iterates, strict=True):
        assert x.tobytes() == y.tobytes()


def test_ef_without_feedback_compresses_the_step() -> None:
    top, threshold = {"name": "topk", "k": 3}, {"name": "hard_threshold", "threshold": 0.002}
    without = {"name": "ef", "feedback": "none"}
    assert difference(run(without, top).iterates, run("dcgd", top).iterates) <= SAME
    assert difference(run(without, threshold).iterates, run("dcgd", threshold).iterates) > 1e-3


def test_momentum_on_the_aggregate_of_ef21_is_heavy_ball() -> None:
    """v ← η v + g, x ← x - γ v: written out from the iterates of the run itself."""
    facts = task("digits")
    optimizer = {"name": "sgd", "momentum": 0.5}
    top = {"name": "topk", "k": 3}
    described = {**document("digits", ROUNDS), "method": "ef21", "compressor": top}
    played = play({**described, "step_size": 0.1 / facts.pooled, "optimizer": optimizer})
    x, step_size = played.iterates, 0.1 / facts.pooled
    g = played.node.iterate.g.numpy()
    velocity = (x[-2] - x[-1]) / step_size
    before = (x[-3] - x[-2]) / step_size
    np.testing.assert_allclose(velocity, 0.5 * before + g, rtol=1e-6, atol=1e-9)


def test_ef_and_ef21_differ_for_top_k() -> None:
    top = {"name": "topk", "k": 3}
    assert difference(run("ef", top).iterates, run("ef21", top).iterates) > 1e-3
