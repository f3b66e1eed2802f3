"""Methods that coincide under conditions that the paper names."""

from typing import ClassVar

import numpy as np
import pytest
import torch
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


@pytest.mark.parametrize("downlink", ["model", "update"])
@pytest.mark.parametrize("init", ["compressed", "full"])
@pytest.mark.parametrize("method", ["ef21", "ef21_plus"])
@pytest.mark.parametrize("dataset", ["breast_cancer", "digits"])
def test_without_compression_ef21_is_gradient_descent(
    dataset: str, method: str, init: str, downlink: str
) -> None:
    whole = {"name": "topk", "k": task(dataset).size}
    described = {"name": method, "init": init, "downlink": downlink}
    descent = run("gd", "identity", dataset)
    assert difference(run(described, whole, dataset).iterates, descent.iterates) <= SAME


@pytest.mark.parametrize("method", ["ef", "dcgd"])
def test_without_compression_ef_and_dcgd_are_gradient_descent(method: str) -> None:
    whole = {"name": "topk", "k": "100%"}
    assert difference(run(method, whole).iterates, run("gd", "identity").iterates) <= SAME


def test_ef_and_ef21_coincide_for_an_additive_homogeneous_compressor() -> None:
    feedback, markov = run("ef", EverySecond()), run("ef21", EverySecond())
    assert difference(feedback.iterates, markov.iterates) <= SAME
    assert np.any(markov.iterates[-1][::2]), "it moves"
    assert not np.any(markov.iterates[-1][1::2]), "and not where nothing is sent"


def test_ef_and_ef21_differ_for_top_k() -> None:
    top = {"name": "topk", "k": 3}
    assert difference(run("ef", top).iterates, run("ef21", top).iterates) > 1e-3
