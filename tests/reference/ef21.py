"""EF21 on several nodes (EF21, Algorithm 2)."""

from reference.trajectory import (
    Array,
    Compress,
    Gradients,
    Init,
    Trajectory,
    compress_rows,
    initial_estimates,
    local_gradients,
)


def ef21(
    gradients: Gradients,
    x0: Array,
    step_size: float,
    compress: Compress,
    rounds: int,
    init: Init = "compressed",
) -> Trajectory:
    """Algorithm 2: g_i^{t+1} = g_i^t + C(grad f_i(x^{t+1}) - g_i^t)."""
    iterates = [x0.copy()]
    estimates = [initial_estimates(local_gradients(gradients, x0), compress, init)]  # line 1
    aggregate = estimates[0].mean(axis=0)
    for _ in range(rounds):
        iterates.append(iterates[-1] - step_size * aggregate)  # line 3
        local = local_gradients(gradients, iterates[-1])
        messages = compress_rows(compress, local - estimates[-1])  # line 5
        estimates.append(estimates[-1] + messages)  # line 6
        aggregate = aggregate + messages.mean(axis=0)  # line 8
    return Trajectory(iterates, estimates)
