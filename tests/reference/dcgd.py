"""Distributed compressed gradient descent, DCGD (EF21, equation 7)."""

from reference.trajectory import (
    Array,
    Compress,
    Gradients,
    Trajectory,
    compress_rows,
    local_gradients,
)


def dcgd(
    gradients: Gradients, x0: Array, step_size: float, compress: Compress, rounds: int
) -> Trajectory:
    """x^{t+1} = x^t - gamma/n sum_i C(grad f_i(x^t)). The estimates are C(grad f_i(x^t))."""
    iterates = [x0.copy()]
    estimates = [compress_rows(compress, local_gradients(gradients, x0))]
    for _ in range(rounds):
        iterates.append(iterates[-1] - step_size * estimates[-1].mean(axis=0))
        estimates.append(compress_rows(compress, local_gradients(gradients, iterates[-1])))
    return Trajectory(iterates, estimates)
