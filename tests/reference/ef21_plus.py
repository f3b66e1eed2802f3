"""EF21+ on several nodes (EF21, Algorithm 4)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reference.trajectory import (
    Array,
    Compress,
    Gradients,
    Init,
    compress_rows,
    initial_estimates,
    local_gradients,
)


class EF21PlusTrajectory(NamedTuple):
    """A run of T rounds: x^t and every g_i^t, t = 0..T, and the branches taken.

    branches[t][i], t = 0..T-1, belongs to g_i^{t+1}: true where worker i took plain C.
    """

    iterates: list[Array]
    estimates: list[Array]
    branches: list[npt.NDArray[np.bool_]]


def ef21_plus(
    gradients: Gradients,
    x0: Array,
    step_size: float,
    compress: Compress,
    rounds: int,
    init: Init = "compressed",
) -> EF21PlusTrajectory:
    """Algorithm 4: each worker takes plain C where it is strictly better, else the Markov one.

    `compress` must be deterministic (Appendix G.2); it is called twice for a worker and round.
    """
    iterates = [x0.copy()]
    estimates = [initial_estimates(local_gradients(gradients, x0), compress, init)]  # line 1
    branches = []
    for _ in range(rounds):
        iterates.append(iterates[-1] - step_size * estimates[-1].mean(axis=0))  # lines 3, 10
        local = local_gradients(gradients, iterates[-1])
        plain = compress_rows(compress, local)  # line 5
        markov = estimates[-1] + compress_rows(compress, local - estimates[-1])  # line 6
        plain_distortion = np.sum((plain - local) ** 2, axis=1)  # line 7
        markov_distortion = np.sum((markov - local) ** 2, axis=1)
        branches.append(markov_distortion > plain_distortion)  # line 8
        estimates.append(np.where(branches[-1][:, None], plain, markov))
    return EF21PlusTrajectory(iterates, estimates, branches)
