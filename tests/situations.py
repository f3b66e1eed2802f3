"""The same experiment for psim and for a reference, and how far apart they come out."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from playing import play
from reference.compressors import top_k
from reference.trajectory import Array, Compress, Gradients
from references import REFERENCES, difference
from tasks import document, task

from psim.compressors.base import Compressor, Guarantee, State
from psim.registry import build
from psim.step import Step
from psim.vectors import Payload, Sparse

ROUNDS = 40


class Threshold(Compressor):
    """Keeps the entries of magnitude above ``level``: not homogeneous, so γ's place matters."""

    name: ClassVar[str] = "threshold"

    level: float

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: float | None = None
    ) -> tuple[Payload, State]:
        indices = torch.nonzero(vector.abs() > self.level).flatten()
        return Sparse(vector.numel(), indices, vector[indices]), state

    def guarantee(self, size: int) -> Guarantee:
        return Guarantee("absolute", self.level * size**0.5)


@dataclass(frozen=True)
class Situation:
    """The same experiment for psim and for a reference."""

    document: dict[str, object]
    gradients: Gradients
    x0: Array
    step_size: float
    compress: Compress
    init: str = "compressed"


def on_data(init: str = "compressed", multiple: float = 1.0) -> Situation:
    """Breast cancer, Top-1, Theorem 2's step size or a multiple of it."""
    facts = task("breast_cancer")
    compressor = {"name": "topk", "k": 1}
    return Situation(
        {**document("breast_cancer", ROUNDS), "compressor": compressor},
        facts.gradients,
        facts.x0,
        multiple * facts.theorem_2(1),
        lambda v: top_k(v, 1),
        init,
    )


OPTIONS: dict[str, dict[str, object]] = {
    "accordion": {"inner": "ef", "levels": [1, 4], "eta": 0.12, "window": 4},
    "cser": {"period": 4, "compressor_reset": {"name": "topk", "k": 4}},
    "def": {"lam": 0.5, "momentum": 0.5},
    "dgc": {"momentum": 0.7},
    "diana": {"alpha": 0.5},
    "doublesqueeze": {"compressor_down": {"name": "topk", "k": 2}},
    "ec_gdstar": {"x_star": np.linspace(-0.1, 0.1, 30).tolist()},
    "ef21_bc": {"compressor_down": {"name": "topk", "k": 2}},
    "ef21_hb": {"momentum": 0.5},
    "ef21_sgdm": {"momentum": 0.5},
    "marina": {"probability": 0.2},
    "saef": {"period": 5, "momentum": 0.5},
}
"""What methods are given beside their defaults."""
LARGER = {"ef21_plus": 8.0, "accordion": 20.0}
"""Steps of so many times Theorem 2's: in small ones EF21+ never takes its plain branch, and
gradients change too little for a critical regime.
"""


def usual(method: str) -> Situation:
    """What shows most mistakes in a method."""
    init = "full" if method == "ef21_plus" else "compressed"
    return on_data(init, LARGER.get(method, 1.0))


def with_threshold() -> Situation:
    """Breast cancer with a compressor for which C(γv) is not γ C(v)."""
    facts = task("breast_cancer")
    level = 0.002
    return Situation(
        {**document("breast_cancer", ROUNDS), "compressor": Threshold(level=level)},
        facts.gradients,
        facts.x0,
        0.02,
        lambda v: np.where(np.abs(v) > level, v, 0.0),
    )


def with_a_tie(folder: Path) -> Situation:
    """One quadratic on which both branches of EF21+ are exactly as good at x^1, and differ.

    g^0 = (1, -4) and ∇f(x^1) = (2, 1): b = (2, 0) and m = (1, 1) both miss by 1.
    """
    matrix, vector = np.array([[3.0, 1.0], [1.0, 1.5]]), np.array([-1.0, 4.0])
    path = folder / "tie.npz"
    np.savez(path, A=matrix[None], b=vector[None])
    return Situation(
        {
            "rounds": 4,
            "workers": 1,
            "problem": {"name": "quadratic", "path": str(path)},
            "compressor": {"name": "topk", "k": 1},
        },
        [lambda x: matrix @ x - vector],
        np.zeros(2),
        1.0,
        lambda v: top_k(v, 1),
        "full",
    )


def disagreement(method: str, situation: Situation) -> float:
    """How far psim is from the reference, at most, over the run."""
    described = {"name": method, **OPTIONS.get(method, {})}
    if method.startswith("ef21"):
        described["init"] = situation.init
    piece = build("methods", described)
    expected = REFERENCES[method](
        situation.gradients,
        situation.x0,
        situation.step_size,
        situation.compress,
        int(situation.document["rounds"]),
        **piece.model_dump(exclude={"downlink"}),
    )
    played = play({**situation.document, "method": piece, "step_size": situation.step_size})
    return difference(played.iterates, expected)
