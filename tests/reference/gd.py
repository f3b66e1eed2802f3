"""Distributed gradient descent: EF21 with no compression (EF21, Section 5, Experiment 2)."""

from reference.trajectory import Array, Gradients, Trajectory, local_gradients


def gd(gradients: Gradients, x0: Array, step_size: float, rounds: int) -> Trajectory:
    """x^{t+1} = x^t - gamma/n sum_i grad f_i(x^t). The estimates are the local gradients."""
    iterates = [x0.copy()]
    estimates = [local_gradients(gradients, x0)]
    for _ in range(rounds):
        iterates.append(iterates[-1] - step_size * estimates[-1].mean(axis=0))
        estimates.append(local_gradients(gradients, iterates[-1]))
    return Trajectory(iterates, estimates)
