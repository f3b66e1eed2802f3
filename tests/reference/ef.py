"""The original error feedback, EF (EF21, Algorithm 3)."""

from typing import NamedTuple

import numpy as np

from reference.trajectory import Array, Compress, Gradients, compress_rows, local_gradients


class ErrorFeedbackTrajectory(NamedTuple):
    """A run of T rounds, t = 0..T: x^t, every e_i^t before the message at x^t, every w_i^t."""

    iterates: list[Array]
    errors: list[Array]
    messages: list[Array]


def ef(
    gradients: Gradients, x0: Array, step_size: float, compress: Compress, rounds: int
) -> ErrorFeedbackTrajectory:
    """Algorithm 3: w_i^t = C(e_i^t + gamma grad f_i(x^t)), the step size inside the compressor."""
    local = local_gradients(gradients, x0)
    iterates = [x0.copy()]
    errors = [np.zeros_like(local)]  # line 1
    messages = [compress_rows(compress, step_size * local)]  # line 2
    for _ in range(rounds):
        iterates.append(iterates[-1] - messages[-1].mean(axis=0))  # line 4
        errors.append(errors[-1] + step_size * local - messages[-1])  # line 6
        local = local_gradients(gradients, iterates[-1])  # line 7
        messages.append(compress_rows(compress, errors[-1] + step_size * local))  # line 8
    return ErrorFeedbackTrajectory(iterates, errors, messages)
