"""Logistic regression on data that ship with scikit-learn, written down without psim: for the
references, beside the part of a config that says the same to psim.
"""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from reference import problems, theory
from reference.trajectory import Array, Gradients
from sklearn.datasets import load_breast_cancer, load_digits

WORKERS = 20
LAM = 0.1


@dataclass(frozen=True)
class Task:
    """∇f_i of every worker, and the constants that step sizes need."""

    gradients: Gradients
    size: int
    pooled: float
    mean_smoothness: float

    @property
    def x0(self) -> Array:
        return np.zeros(self.size)

    def theorem_2(self, k: int) -> float:
        """The step size for Top-k."""
        return theory.theorem_2_step_size(k / self.size, self.pooled, self.mean_smoothness)


def samples(dataset: str) -> tuple[Array, Array]:
    """Features and labels -1 or +1, in the files' order."""
    if dataset == "digits":
        images, digits = load_digits(return_X_y=True)
        return images / 16.0, np.where(digits % 2 == 1, 1.0, -1.0)
    measured, benign = load_breast_cancer(return_X_y=True)
    return (measured - measured.mean(0)) / measured.std(0), np.where(benign == 1, 1.0, -1.0)


@cache
def task(dataset: str) -> Task:
    """The data set, split among 20 workers of whom the last has more."""
    features, labels = samples(dataset)
    assert len(features) % WORKERS, "the last worker's share is the larger one"
    penalty = problems.nonconvex(LAM)
    shares = problems.split(len(features), WORKERS)
    gradients = [
        partial(
            problems.logistic_gradient,
            features=features[share],
            labels=labels[share],
            regularizer=penalty,
        )
        for share in shares
    ]
    local = np.array([problems.logistic_smoothness(features[s], penalty) for s in shares])
    pooled = problems.logistic_smoothness(features, penalty)
    return Task(gradients, features.shape[1], pooled, theory.quadratic_mean(local))


def document(dataset: str, rounds: int = 200) -> dict[str, object]:
    """The same for psim, without a method."""
    problem = {"name": "logistic", "dataset": dataset, "regularizer": "nonconvex", "lam": LAM}
    metrics = {"every": rounds}
    return {"rounds": rounds, "workers": WORKERS, "problem": problem, "metrics": metrics}
