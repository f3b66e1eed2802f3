"""Minibatches, schedules and optimizers: psim's iterates are those of the references, which draw
the documented rows themselves.
"""

import numpy as np
import pytest
from minibatches import ROUNDS, STEP, X0, K, document, on_batches
from playing import Played, play
from reference.compressors import top_k
from reference.cser import cser
from reference.def_ import detached
from reference.ec_gdstar import ec_gdstar
from reference.ef21_sgd import ef21_sgd
from reference.ef_sgd import ef_sgd
from reference.momentum import adam_optimizer, gradient_compression, sgd_optimizer
from reference.rounds import Schedule, constant, same_for_all
from reference.saef import saef
from reference.sgd import sgd
from references import difference

SAME = 1e-10

TOP = same_for_all(lambda v: top_k(v, K))
STAR = np.random.default_rng(2).standard_normal(30) / 10


def expected(method: str, sampling: str, steps: Schedule) -> list[np.ndarray]:
    common = (on_batches(sampling), X0, steps, TOP, ROUNDS)
    match method:
        case "sgd":
            found = sgd(on_batches(sampling), X0, steps, ROUNDS, TOP)
        case "ef21":
            found = ef21_sgd(*common).iterates
        case "ec_gdstar":
            found = ec_gdstar(*common, STAR).iterates
        case "def":
            found = detached(*common, 0.3, 0.5).iterates
        case "saef":
            found = saef(*common, 7).iterates
        case "cser":
            run = cser(*common, 4, same_for_all(lambda v: top_k(v, 5)))
            found = [x[0] - e[0] for x, e in zip(run.local, run.errors, strict=True)]
        case _:
            found = ef_sgd(*common, memory=method).iterates
    return found


METHODS: dict[str, dict[str, object]] = {
    "sgd": {"name": "sgd"},
    "ef21": {"name": "ef21"},
    "update": {"name": "ef_sgd", "memory": "update"},
    "gradient": {"name": "ef_sgd", "memory": "gradient"},
    "ec_gdstar": {"name": "ec_gdstar", "x_star": STAR.tolist()},
    "def": {"name": "def", "lam": 0.3, "momentum": 0.5},
    "saef": {"name": "saef", "period": 7},
    "cser": {"name": "cser", "period": 4, "compressor_reset": {"name": "topk", "k": 5}},
}


@pytest.mark.parametrize(
    ("method", "sampling"),
    [*((method, "epoch") for method in METHODS), ("sgd", "replacement"), ("ef21", "replacement")],
)
def test_minibatches_agree_with_the_reference(method: str, sampling: str) -> None:
    played = play(document(sampling, method=METHODS[method]))
    assert difference(played.iterates, expected(method, sampling, constant(STEP))) <= SAME


@pytest.mark.parametrize("method", METHODS)
def test_falling_step_sizes_agree_with_the_reference(method: str) -> None:
    def steps(t: int) -> float:
        return STEP * ((t + 1) / 5 if t < 5 else 0.5 ** ((t >= 40) + (t >= 80)))

    schedule = {"kind": "piecewise", "at": [40, 80], "factor": 0.5, "warmup": 5}
    given = {"rule": "constant", "value": STEP, "schedule": schedule}
    played = play(document(method=METHODS[method], step_size=given))
    assert difference(played.iterates, expected(method, "epoch", steps)) <= SAME


def test_the_two_memories_differ_where_the_step_size_changes() -> None:
    def steps(t: int) -> float:
        return STEP / (t + 1)

    update, gradient = (expected(memory, "epoch", steps) for memory in ("update", "gradient"))
    assert difference(update, gradient) > 1e-3


OPTIMIZERS = {
    "sgd": ({"name": "sgd", "momentum": 0.9}, lambda: sgd_optimizer(0.9)),
    "nesterov": (
        {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        lambda: sgd_optimizer(0.9, "sutskever", 0.01),
    ),
    "powersgd": (
        {"name": "sgd", "momentum": 0.5, "nesterov": "powersgd"},
        lambda: sgd_optimizer(0.5, "powersgd"),
    ),
    "decay": ({"name": "sgd", "weight_decay": 0.1}, lambda: sgd_optimizer(0.0, None, 0.1)),
    "adam": (
        {"name": "adam", "weight_decay": 0.01},
        lambda: adam_optimizer(weight_decay=0.01),
    ),
}


def with_optimizer(name: str, memory: str = "gradient", downlink: str = "model") -> Played:
    method = {"name": "ef_sgd", "memory": memory, "downlink": downlink}
    return play(document(method=method, optimizer=OPTIMIZERS[name][0]))


@pytest.mark.parametrize(
    ("name", "memory"), [*((name, "gradient") for name in OPTIMIZERS), ("nesterov", "update")]
)
def test_optimizers_on_the_aggregate_agree_with_the_reference(name: str, memory: str) -> None:
    made = gradient_compression(
        on_batches("epoch"), X0, constant(STEP), TOP, ROUNDS, OPTIMIZERS[name][1](), memory
    )
    played = with_optimizer(name, memory)
    # Adam divides by moments that start at rounding's size, and so amplifies it: test_steps.py
    # compares it step by step.
    assert difference(played.iterates, made.iterates) <= (1e-7 if name == "adam" else SAME)


@pytest.mark.parametrize("name", ["nesterov", "adam"])
def test_all_nodes_hold_the_same_moments(name: str) -> None:
    model = with_optimizer(name)
    for downlink in ("update", "gather"):
        other = with_optimizer(name, downlink=downlink)
        for x, y in zip(model.iterates, other.iterates, strict=True):
            assert x.tobytes() == y.tobytes()
        assert other.host.iterate.x.numpy().tobytes() == other.node.iterate.x.numpy().tobytes()


@pytest.mark.parametrize("method", ["gd", "dcgd", "sgd", "ef_sgd", "ef21", "ef21_plus"])
def test_an_optimizer_that_does_nothing_changes_no_bit(method: str) -> None:
    compressor = {"compressor": "identity"} if method == "gd" else {}
    plain = play(document(method=method, **compressor))
    other = play(document(method=method, optimizer={"name": "sgd"}, **compressor))
    for x, y in zip(plain.iterates, other.iterates, strict=True):
        assert x.tobytes() == y.tobytes()
