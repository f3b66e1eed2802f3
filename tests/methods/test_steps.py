"""Signs, rounding, quantizers and Adam amplify rounding errors: so every step is compared from
psim's own state, beside the whole path.
"""

from collections.abc import Callable

import numpy as np
import pytest
from minibatches import SEED, STEP, X0, document, on_batches
from playing import Played, play
from reference import compressors as reference
from reference.compressors import top_k
from reference.ef21_sgd import ef21_sgd
from reference.ef_sgd import compensate, ef_sgd
from reference.momentum import adam_optimizer
from reference.rounds import RoundCompress, compress_each, constant, gradients_at
from reference.trajectory import Array
from references import difference
from streams import stream
from tasks import WORKERS

from psim.vectors import densify
from psim.wire.messages import Packet

EACH_STEP, WHOLE_PATH = 1e-12, 1e-10
ROUNDS, SIZE = 40, len(X0)


def drawn(name: str, compress: Callable[[Array, Array], Array]) -> RoundCompress:
    """With the uniform numbers that the compressor draws in a round."""
    return lambda v, t, rank: compress(v, stream(SEED, name, rank, t).random(SIZE))


def plain(compress: Callable[[Array], Array]) -> RoundCompress:
    return lambda v, _round, _rank: compress(v)


COMPRESSORS: list[tuple[dict[str, object], RoundCompress]] = [
    ({"name": "sign"}, plain(reference.scaled_sign)),
    ({"name": "one_bit"}, plain(reference.one_bit)),
    (
        {"name": "rounding", "epsilon": 0.05, "mode": "nearest"},
        plain(lambda v: reference.round_to_nearest(v, 0.05)),
    ),
    (
        {"name": "rounding", "epsilon": 0.05},
        drawn("rounding", lambda v, u: reference.round_stochastically(v, 0.05, u)),
    ),
    ({"name": "scaled_integers", "factor": 20}, plain(lambda v: reference.scaled_integers(v, 20))),
    (
        {"name": "qsgd", "levels": 2, "scale": "contractive"},
        drawn(
            "qsgd",
            lambda v, u: 2 / np.sqrt(SIZE) * reference.qsgd(v, 2, u, float(np.linalg.norm(v))),
        ),
    ),
    (
        {"name": "terngrad", "scale": "contractive"},
        drawn("terngrad", lambda v, u: 2 / (np.sqrt(SIZE) + 1) * reference.terngrad(v, u)),
    ),
    (
        {"name": "natural", "scale": "contractive"},
        drawn("natural", lambda v, u: 8 / 9 * reference.natural(v, u)),
    ),
]
each_compressor = pytest.mark.parametrize(
    ("described", "compress"), COMPRESSORS, ids=[str(described) for described, _ in COMPRESSORS]
)


def close(actual: Array, expected: Array) -> bool:
    return difference(list(actual), list(expected)) <= EACH_STEP


class Steps:
    """Keeps what psim holds: x^t, what the workers sent, and what each of them keeps."""

    def __init__(self, kept: Callable[[object], Array]) -> None:
        self.kept = kept
        self.sent: list[Array] = []
        self.states: list[Array] = [np.zeros((WORKERS, SIZE))]

    def look(self, played: Played, packets: list[Packet]) -> None:
        each = [densify(p.payloads[0], played.host.iterate.x.dtype).numpy() for p in packets]
        self.sent.append(np.stack(each))
        self.states.append(np.stack([self.kept(r.state).numpy().copy() for r in played.host.ranks]))


@each_compressor
def test_every_step_of_error_feedback_is_the_reference_s(
    described: dict, compress: RoundCompress
) -> None:
    steps = Steps(lambda state: state.error_kept())
    method = {"name": "ef_sgd", "memory": "gradient"}
    played = play(document(method=method, compressor=described, rounds=ROUNDS), steps.look)
    gradients, x = on_batches("epoch"), played.iterates
    for t in range(ROUNDS):
        local = gradients_at(gradients, x[t], t)
        sent, errors = compensate(steps.states[t], local, STEP, compress, t, "gradient")
        assert close(steps.sent[t], sent)
        assert close(steps.states[t + 1], errors)
        assert close([x[t + 1]], [x[t] - STEP * sent.mean(axis=0)])
    whole = ef_sgd(gradients, X0, constant(STEP), compress, ROUNDS, "gradient")
    assert difference(x, whole.iterates) <= WHOLE_PATH


@each_compressor
def test_every_step_of_ef21_is_the_reference_s(described: dict, compress: RoundCompress) -> None:
    steps = Steps(lambda state: state.estimate_of_gradient())
    played = play(document(method="ef21", compressor=described, rounds=ROUNDS), steps.look)
    gradients, x = on_batches("epoch"), played.iterates
    for t in range(ROUNDS):
        change = gradients_at(gradients, x[t], t) - steps.states[t]
        estimates = steps.states[t] + compress_each(compress, change, t)
        assert close(steps.states[t + 1], estimates)
        assert close([x[t + 1]], [x[t] - STEP * estimates.mean(axis=0)])
    whole = ef21_sgd(gradients, X0, constant(STEP), compress, ROUNDS)
    assert difference(x, whole.iterates) <= WHOLE_PATH


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_every_step_of_adam_is_the_reference_s(weight_decay: float) -> None:
    """On the same messages, and from the same x, with moments of its own."""
    steps = Steps(lambda state: state.error_kept())
    optimizer = {"name": "adam", "weight_decay": weight_decay}
    method = {"name": "ef_sgd", "memory": "gradient"}
    described = document(method=method, optimizer=optimizer, rounds=ROUNDS)
    x = play(described, steps.look).iterates
    adam = adam_optimizer(weight_decay=weight_decay)
    for t in range(ROUNDS):
        assert close([x[t + 1]], [adam(steps.sent[t].mean(axis=0), x[t], STEP)])
    local = gradients_at(on_batches("epoch"), x[0], 0)
    assert close(steps.sent[0], np.stack([top_k(row, 3) for row in local]))
