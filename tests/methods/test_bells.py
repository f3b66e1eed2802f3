"""EF21's relatives and what they are compared with: both directions compressed, some workers only,
coins and minibatches; and the methods that each becomes at the end of its parameter's range.
"""

import numpy as np
import pytest
from minibatches import BATCH, STEP, X0, document, full, on_batches, whole_gradients
from minibatches import ROUNDS as MINIBATCHES
from minibatches import SEED as BATCH_SEED
from playing import Played, play
from reference.compressors import rand_k, top_k
from reference.ef21_page import ef21_page
from reference.ef21_pp import ef21_pp
from reference.ef21_sgdm import ef21_sgdm
from reference.marina import marina
from reference.rounds import constant, every_round, same_for_all
from references import REFERENCES, difference, private_coin, shared_coin
from streams import stream
from tasks import WORKERS, task
from tasks import document as exact

from psim.errors import ConfigError
from psim.random import sample

SAME, SAME_METHOD = 1e-10, 1e-12
ROUNDS, LONG = 60, 200
TOP = {"name": "topk", "k": 3}
RANDOM = {"name": "randk", "k": 8, "scale": "unbiased"}


def run(method: object, compressor: object = TOP, **more: object) -> Played:
    step_size = 0.3 / task("digits").pooled
    described = {**exact("digits", ROUNDS), "method": method, "compressor": compressor}
    return play({**described, "step_size": step_size, **more})


def same_bits(one: Played, other: Played) -> bool:
    pairs = zip(one.iterates, other.iterates, strict=True)
    return all(x.tobytes() == y.tobytes() for x, y in pairs)


# Both directions compressed: sent updates only, and so left out where all methods are compared.


@pytest.mark.parametrize(
    ("options", "k"), [({}, 1), ({}, 5), ({"init": "full"}, 5), ({"init": "zero"}, 5)]
)
def test_ef21_bc_agrees_with_the_reference(options: dict, k: int) -> None:
    _two_way("ef21_bc", {"init": "compressed", **options}, k)


@pytest.mark.parametrize("k", [1, 5])
def test_doublesqueeze_agrees_with_the_reference(k: int) -> None:
    _two_way("doublesqueeze", {}, k)


def _two_way(name: str, options: dict, k: int) -> None:
    facts, down = task("digits"), {"name": "topk", "k": 4}
    step_size = 0.05 / facts.pooled
    expected = REFERENCES[name](
        facts.gradients,
        facts.x0,
        step_size,
        lambda v: top_k(v, k),
        LONG,
        compressor_down=down,
        **options,
    )
    played = play(
        {
            **exact("digits", LONG),
            "method": {"name": name, "compressor_down": down, **options},
            "compressor": {"name": "topk", "k": k},
            "step_size": step_size,
        }
    )
    assert difference(played.iterates, expected) <= SAME
    assert difference(expected[1:], expected[:-1]) > 1e-3, "it moves"
    assert played.host.iterate.x.numpy().tobytes() == played.node.iterate.x.numpy().tobytes()


@pytest.mark.parametrize("method", ["ef21_bc", "doublesqueeze"])
def test_nothing_of_the_broadcast_is_lost(method: str) -> None:
    """What the master sent in all, plus what it keeps, is all that the workers sent."""
    arrived = np.zeros(task("digits").size)

    def look(played: Played, sent: list) -> None:
        if played.host.round == ROUNDS:  # no update is made of the last messages
            return
        for packet in sent:
            (payload,) = packet.payloads
            arrived[payload.indices.numpy()] += payload.values.numpy() / WORKERS

    down = {"name": "topk", "k": 2}
    described = {"name": method, "compressor_down": down}
    step_size = 0.05 / task("digits").pooled
    base = {**exact("digits", ROUNDS), "compressor": TOP, "step_size": step_size}
    played = play({**base, "method": described}, look)
    if method == "ef21_bc":
        sent = played.host.iterate.g.numpy()
        kept = (played.node.state.mean - played.node.state.known).numpy()
    else:
        sent = (played.iterates[0] - played.iterates[-1]) / step_size
        kept = played.node.state.error.numpy()
    assert np.linalg.norm(kept) > 1e-3
    np.testing.assert_allclose(sent + kept, arrived, rtol=1e-10, atol=1e-12)


def test_ef21_bc_with_the_identity_downlink_is_ef21() -> None:
    described = {"name": "ef21_bc", "compressor_down": "identity"}
    assert difference(run(described).iterates, run("ef21").iterates) <= SAME_METHOD


def test_doublesqueeze_with_the_identity_downlink_is_error_feedback() -> None:
    described = {"name": "doublesqueeze", "compressor_down": "identity"}
    feedback = {"name": "ef_sgd", "memory": "gradient"}
    assert difference(run(described).iterates, run(feedback).iterates) <= SAME_METHOD


def test_doublesqueeze_without_compression_is_gradient_descent() -> None:
    described = {"name": "doublesqueeze", "compressor_down": "identity"}
    played, descent = run(described, "identity"), run("gd", "identity")
    assert difference(played.iterates, descent.iterates) <= SAME_METHOD


# Where each ends.


@pytest.mark.parametrize(
    ("name", "init"), [("ef21_hb", "compressed"), ("ef21_sgdm", "full"), ("ef21_sgdm", "zero")]
)
def test_without_momentum_they_are_ef21(name: str, init: str) -> None:
    described = {"name": name, "momentum": 0.0, "init": init}
    assert same_bits(run(described), run({"name": "ef21", "init": init}))


def test_ef21_hb_is_ef21_with_momentum_on_the_aggregate() -> None:
    optimizer = {"name": "sgd", "momentum": 0.5}
    ball = run({"name": "ef21_hb", "momentum": 0.5})
    assert same_bits(ball, run("ef21", optimizer=optimizer))


def test_ef21_page_without_minibatches_is_ef21() -> None:
    assert same_bits(run({"name": "ef21_page", "probability": 0.2}), run("ef21"))


def test_ef21_page_with_probability_1_is_ef21_on_whole_gradients() -> None:
    page = {"name": "ef21_page", "probability": 1.0}
    assert same_bits(play(document(method=page)), play(document(method="ef21", problem=full())))


@pytest.mark.parametrize("problem", [{"batch": BATCH}, {}])
def test_marina_with_probability_1_is_gradient_descent(problem: dict) -> None:
    given = {"problem": {**full(), **problem}, "compressor": RANDOM}
    whole = play(document(method={"name": "marina", "probability": 1.0}, **given))
    descent = play(document(method="gd", problem=full(), compressor="identity"))
    assert same_bits(whole, descent)


@pytest.mark.parametrize("name", ["diana", "marina"])
def test_without_compression_they_are_gradient_descent(name: str) -> None:
    given = {"diana": {"alpha": 0.5}, "marina": {"probability": 0.2}}[name]
    played, descent = run({"name": name, **given}, "identity"), run("gd", "identity")
    assert difference(played.iterates, descent.iterates) <= SAME_METHOD


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [{"name": "diana", "alpha": 0.25}, {"name": "marina", "probability": 0.25}]
)
def test_with_an_unbiased_compressor_the_gradient_vanishes(method: dict) -> None:
    """That of compressed gradients does not at a constant step: Q's noise stays."""
    rounds = 500
    given = {"rounds": rounds, "problem": full(), "compressor": RANDOM, "step_size": 0.15}
    ends = [
        play(document(method=each, metrics={"every": rounds}, **given)).rows[-1]["grad_norm_sq"]
        for each in (method, "dcgd")
    ]
    assert ends[0] < 1e-3 * ends[1]


# Some workers only.


ALL, DRAWN = {"kind": "all"}, {"kind": "sampled", "fraction": 1.0}


@pytest.mark.parametrize(
    ("init", "participation"),
    [("compressed", ALL), ("compressed", DRAWN), ("full", DRAWN), ("zero", DRAWN)],
)
def test_ef21_pp_with_everyone_is_ef21(init: str, participation: dict) -> None:
    partial = run({"name": "ef21_pp", "init": init}, participation=participation)
    assert same_bits(partial, run({"name": "ef21", "init": init}))


def called(round: int) -> list[int]:
    """A quarter of the ranks, as drawn for the round."""
    return sample(0, "participation", WORKERS, WORKERS // 4, round).tolist()


def top_of_some(v: np.ndarray, round: int, rank: int) -> np.ndarray:
    """Top-k; nothing of ranks that are absent when all others start."""
    return top_k(v, 3) if round or rank in called(0) else np.zeros_like(v)


@pytest.mark.parametrize("init", ["compressed", "zero"])
def test_ef21_pp_with_drawn_workers_agrees_with_the_reference(init: str) -> None:
    facts, step_size = task("digits"), 0.1 / task("digits").pooled
    gradients = every_round(facts.gradients)
    expected = ef21_pp(
        gradients, facts.x0, constant(step_size), top_of_some, LONG, called, init
    ).iterates
    played = run(
        {"name": "ef21_pp", "init": init},
        participation={"kind": "sampled", "fraction": 0.25},
        rounds=LONG,
        metrics={"every": LONG},
        step_size=step_size,
    )
    assert difference(played.iterates, expected) <= SAME
    assert difference(expected[1:], expected[:-1]) > 1e-3, "it moves"


LATE = {
    "compute": {"kind": "lognormal", "median": "10 ms", "sigma": 1.0},
    "network": {"uplink": {"latency": "1 ms"}},
}
WHO = [{"kind": "quorum", "count": 5}, {"kind": "deadline", "seconds": 0.003}]


@pytest.mark.parametrize("who", WHO, ids=lambda who: who["kind"])
def test_ef21_pp_loses_no_late_message(who: dict) -> None:
    """g is the mean of what all workers keep, but for the messages that are still on their way."""
    played = run("ef21_pp", participation={**who, "late": "next"}, **LATE)
    assert played.node.attendance.late > ROUNDS
    assert played.node.attendance.dropped == 0
    kept = sum(rank.state.estimate_of_gradient().numpy() for rank in played.host.ranks) / WORKERS
    coming = np.zeros_like(kept)
    for message in [*played.node._messages.values(), *played.node._late.values()]:
        payload = message.payloads["c"]
        coming[payload.indices.numpy()] += payload.values.numpy() / WORKERS
    np.testing.assert_allclose(played.node.iterate.g.numpy() + coming, kept, atol=1e-12)
    assert played.rows[-1]["grad_norm_sq"] < played.rows[0]["grad_norm_sq"] / 3


def test_ef21_pp_goes_on_in_a_round_without_a_message() -> None:
    who = {"kind": "deadline", "seconds": 1e-4, "late": "next"}
    played = run("ef21_pp", participation=who, **LATE)
    used = played.node.attendance.used
    assert used < ROUNDS, "there are rounds without any"
    steps = np.diff(np.stack(played.iterates), axis=0)
    moved = np.linalg.norm(steps, axis=1) > 0
    first = int(np.argmax(moved))
    assert moved[first:].all()


@pytest.mark.parametrize("who", WHO, ids=lambda who: who["kind"])
def test_ef21_pp_refuses_to_drop_messages(who: dict) -> None:
    with pytest.raises(ConfigError, match="late: next") as caught:
        run("ef21_pp", participation=who, **LATE)
    assert caught.value.path == "participation.late"


# Minibatches and coins.

UP = same_for_all(lambda v: top_k(v, 3))


@pytest.mark.parametrize(
    ("sampling", "init"),
    [("epoch", "compressed"), ("epoch", "full"), ("epoch", "zero"), ("replacement", "full")],
)
def test_ef21_sgdm_on_minibatches_agrees_with_the_reference(sampling: str, init: str) -> None:
    gradients, steps = on_batches(sampling), constant(STEP)
    expected = ef21_sgdm(gradients, X0, steps, UP, MINIBATCHES, eta=0.1, init=init)
    played = play(document(sampling, method={"name": "ef21_sgdm", "momentum": 0.9, "init": init}))
    assert difference(played.iterates, expected.iterates) <= SAME
    for rank in played.host.ranks:
        mine = rank.state.velocity.numpy()
        np.testing.assert_allclose(mine, expected.velocities[-1][rank.rank], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("sampling", "probability"), [("epoch", 0.1), ("replacement", 0.5)])
def test_ef21_page_on_minibatches_agrees_with_the_reference(
    sampling: str, probability: float
) -> None:
    coin = private_coin(BATCH_SEED, probability)
    batches, steps = on_batches(sampling), constant(STEP)
    expected = ef21_page(whole_gradients(), batches, X0, steps, UP, MINIBATCHES, coin)
    method = {"name": "ef21_page", "probability": probability}
    played = play(document(sampling, method=method))
    assert difference(played.iterates, expected.iterates) <= SAME


def drawn(v: np.ndarray, round: int, rank: int) -> np.ndarray:
    """Rand-k of a rank in a round, unbiased."""
    chosen = stream(BATCH_SEED, "randk", rank, round).choice(30, 8, replace=False, shuffle=False)
    return rand_k(v, chosen, 30 / 8)


@pytest.mark.parametrize(
    ("batches", "downlink"),
    [(True, "model"), (True, "update"), (True, "gather"), (False, "model")],
)
def test_marina_agrees_with_the_reference(batches: bool, downlink: str) -> None:
    coin, steps = shared_coin(BATCH_SEED, 0.2), constant(STEP)
    sampled = on_batches("epoch") if batches else None
    expected = marina(whole_gradients(), X0, steps, drawn, MINIBATCHES, coin, sampled)
    method = {"name": "marina", "probability": 0.2, "downlink": downlink}
    problem = {} if batches else {"problem": full()}
    played = play(document(method=method, compressor=RANDOM, **problem))
    assert difference(played.iterates, expected.iterates) <= SAME


def test_a_round_of_whole_gradients_alone_has_a_loss() -> None:
    """The minibatch of a row in which only f_i is differentiated is all rows."""
    played = play(document(method={"name": "marina", "probability": 1.0}, metrics={"every": 40}))
    assert [row["round"] for row in played.rows] == [0, 40, 80, 120]
    problem, x = played.experiment.problem, played.node.iterate.x
    losses = [problem.share(rank).loss(x) for rank in range(WORKERS)]
    assert played.rows[-1]["train_loss"] == pytest.approx(np.mean(losses), rel=1e-12)
