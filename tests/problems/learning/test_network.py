"""Networks as problems: the methods, minibatches, tests and rows are the ones they should be."""

import math
import re
from collections.abc import Iterator

import learnable
import numpy as np
import pytest
import torch
from learnable import EXAMPLES, WORKERS, problem
from pieces import every, takes
from playing import Played, play
from reference.compressors import identity, top_k
from references import REFERENCES
from torch import nn
from torch.nn import functional

from psim.errors import InputError
from psim.problems.batches import Batches
from psim.registry import build

GAMMA = 0.25
TOP = {"name": "topk", "k": 4}
FIRST = {piece.name: piece for piece in reversed(every("methods"))}


def document(**others: object) -> dict[str, object]:
    base = {"rounds": 3, "workers": WORKERS, "problem": problem(), "method": "sgd"}
    return {**base, "step_size": GAMMA, **others}


@pytest.mark.parametrize("name", sorted(FIRST.keys() - {"ec_gdstar"}))
def test_steps_are_those_of_the_reference(name: str) -> None:
    """In float32 beside the reference's float64; ec_gdstar needs the x* that no network has."""
    piece = FIRST[name]
    compressed = takes(piece, TOP)
    if "compressor_down" in type(piece).model_fields:
        piece = piece.model_copy(update={"compressor_down": build("compressors", TOP)})
    played = play(
        document(
            problem=problem(batch="full"),
            method=piece,
            compressor=TOP if compressed else "identity",
            metrics={"every": 3},
        )
    )
    expected = REFERENCES[name](
        learnable.gradients(),
        played.iterates[0].astype(np.float64),
        GAMMA,
        (lambda v: top_k(v, 4)) if compressed else identity,
        3,
        **piece.model_dump(exclude={"downlink"}),
    )
    for mine, theirs in zip(played.iterates, expected, strict=True):
        assert mine.dtype == np.float32
        assert np.linalg.norm(mine - theirs) <= 1e-5 * np.linalg.norm(theirs)
    assert np.linalg.norm(expected[3] - expected[0]) > 1e-3


def batches(workers: int, batch: int, rounds: int) -> Iterator[list[np.ndarray]]:
    drawn = Batches(batch, "epoch", 0)
    for t in range(rounds):
        yield [
            np.arange(EXAMPLES)[which][drawn.rows(which.stop - which.start, rank, t)]
            for rank, which in enumerate(learnable.shares(workers))
        ]


@pytest.mark.parametrize(
    ("optimizer", "alone"),
    [
        ({"name": "sgd"}, lambda p: torch.optim.SGD(p, lr=GAMMA)),
        (
            {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
            lambda p: torch.optim.SGD(p, lr=GAMMA, momentum=0.9, nesterov=True, weight_decay=1e-3),
        ),
        ({"name": "adam"}, lambda p: torch.optim.Adam(p, lr=GAMMA)),
    ],
    ids=["sgd", "nesterov", "adam"],
)
def test_workers_without_compression_are_one_process_with_all_their_batches(
    optimizer: dict[str, object], alone: object
) -> None:
    workers, batch, rounds = 4, 5, 12  # 40 examples: two full batches an epoch for all workers
    played = play(
        document(
            workers=workers,
            rounds=rounds,
            optimizer=optimizer,
            method="sgd",
            problem=problem(batch=batch),
        )
    )
    module = learnable.network()
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.from_numpy(played.iterates[0]), module.parameters())
    inputs, targets = learnable.tensors()
    rule = alone(module.parameters())
    for t, drawn in enumerate(batches(workers, batch, rounds)):
        x = nn.utils.parameters_to_vector(module.parameters()).detach().numpy()
        assert np.allclose(played.iterates[t], x, rtol=1e-4, atol=2e-5), t
        which = torch.from_numpy(np.concatenate(drawn))
        rule.zero_grad()
        loss = functional.cross_entropy(module(inputs[which]), targets[which])
        loss.backward()
        rule.step()
        assert played.rows[t]["train_loss"] == pytest.approx(loss.item(), rel=1e-4)


def test_rows_have_epochs_and_tests_where_they_are_due() -> None:
    played = play(
        document(
            rounds=10,
            evaluate={"every": 4},
            metrics={"every": 2},
            method="gd",
            problem=problem(batch="full"),
        )
    )
    assert [row["epoch"] for row in played.rows] == [0, 2, 4, 6, 8, 10]
    tested = [row["round"] for row in played.rows if row["test_accuracy"] is not None]
    assert tested == [0, 4, 8, 10]
    assert all(row["test_perplexity"] is row["hit_rate_10"] is None for row in played.rows)
    inputs, targets = learnable.data()[1].tensors
    for t in tested:
        outputs = outputs_at(played.iterates[t], inputs)
        row = played.rows[math.ceil(t / 2)]
        assert row["test_loss"] == pytest.approx(float(functional.cross_entropy(outputs, targets)))
        assert row["test_accuracy"] == float((outputs.argmax(1) == targets).double().mean())


def outputs_at(x: np.ndarray, inputs: torch.Tensor) -> torch.Tensor:
    module = learnable.network()
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.from_numpy(x), module.parameters())
        return module(inputs)


def test_one_rank_or_all_test_the_same() -> None:
    rows = [
        play(document(method="psync", evaluate={"every": 1, "by": by}, compressor=TOP)).rows
        for by in ("one", "all")
    ]
    for one, other in zip(*rows, strict=True):
        assert one["test_loss"] == pytest.approx(other["test_loss"], rel=1e-6)
        assert one["test_accuracy"] == other["test_accuracy"]


def test_an_epoch_is_as_many_rounds_as_it_takes() -> None:
    said = document(epochs=2)
    del said["rounds"]
    played = play(said)
    rounds = 2 * math.ceil(EXAMPLES / (WORKERS * 8))
    assert played.experiment.setup.rounds == rounds
    assert played.rows[-1]["epoch"] == 2.0


def lengths(x: Played) -> list[float]:
    return [float(np.linalg.norm(a - b)) for a, b in zip(x.iterates, x.iterates[1:], strict=False)]


def test_clipping_bounds_each_workers_gradient() -> None:
    free = play(document(workers=1, problem=problem(batch=8)))
    held = play(document(workers=1, problem=problem(batch=8, clip=0.1)))
    assert min(lengths(free)) > GAMMA * 0.1
    assert lengths(held) == pytest.approx([GAMMA * 0.1] * 3, rel=1e-4)


def test_weight_decay_of_the_problem_is_part_of_f_and_of_each_gradient() -> None:
    """For plain SGD, which is linear in the gradients, it is the optimizer's on their mean."""
    whole = {"every": 3, "full": 3}
    mine = play(document(problem=problem(weight_decay=0.1), metrics=whole))
    theirs = play(document(optimizer={"name": "sgd", "weight_decay": 0.1}, metrics=whole))
    for a, b in zip(mine.iterates, theirs.iterates, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    for x, with_it, without in zip(mine.iterates[::3], mine.rows, theirs.rows, strict=True):
        squares = float(np.sum(x.astype(np.float64) ** 2))
        assert with_it["loss"] - without["loss"] == pytest.approx(0.05 * squares, rel=1e-4)


def test_what_is_drawn_follows_from_seed_rank_and_round() -> None:
    dropping = problem(model_args={"dropout": 0.5})
    one, same, other = (play(document(problem=dropping, seed=s)) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.iterates, same.iterates, strict=True))
    assert not np.array_equal(one.iterates[-1], other.iterates[-1])
    still = play(document(problem=problem(), seed=1))
    assert not np.array_equal(one.iterates[1], still.iterates[1])


@pytest.mark.parametrize("batch", [8, "full"])
def test_a_run_whose_loss_is_not_finite_ends_and_says_where(batch: int | str) -> None:
    exploding = problem(loss="learnable:exploding", batch=batch)
    played = play(document(rounds=300, step_size=0.5, problem=exploding, metrics={"every": 50}))
    assert played.finish is not None
    assert played.finish.status == "diverged"
    last = played.node.round
    assert played.finish.reason is not None
    assert re.match(rf"the loss of rank \d is not finite in round {last}", played.finish.reason)
    assert 0 < last < 300
    assert last % 50, "it need not wait for a row"


FEW = {"model": "mlp", "model_args": {"classes": 9}, "dataset": "digits"}
WRONG = [
    ({"problem": problem(**FEW)}, "model_args: the model gives 9 logits, .* have 10 classes"),
    ({"problem": problem(model="learnable:WithAnUnusedLayer")}, "spare.weight, spare.bias"),
    ({"problem": problem(model="learnable:nothing")}, "problem.model: .*nothing"),
    ({"problem": problem(model="learnable:Talkative")}, "output is a tuple: return one tensor"),
    ({"problem": problem(loss="crossentropy")}, "did you mean cross_entropy"),
    ({"problem": problem(loss="mse")}, "problem.model: .*fails on inputs of shape"),
    ({"step_size": {"rule": "theorem2"}}, "needs L, which nobody knows for a network"),
    ({"problem": problem(f_star="compute")}, "f_star: nobody can compute this"),
    ({"evaluate": {"every": 3}, "metrics": {"every": 2}}, "3 is no multiple of metrics.every"),
    ({"problem": problem(batch=14)}, "fewer than the 14 of a minibatch"),
    ({"workers": 2, "method": {"name": "ec_gdstar"}}, "may have many minima"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_does_not_fit_is_said(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        play(document(**change))


@pytest.mark.parametrize("method", ["sgd", "psync"])
def test_statistics_are_local_or_averaged_before_a_test(method: str) -> None:
    normed = {"model_args": {"batch_norm": True}}
    runs = {
        how: play(
            document(
                method=method,
                compressor=TOP,
                rounds=4,
                evaluate={"every": 2},
                problem=problem(**normed, batch_norm=how),
            )
        )
        for how in ("local", "averaged")
    }
    kept = {
        how: [rank.share.buffers["1.running_mean"] for rank in run.host.ranks]
        for how, run in runs.items()
    }
    assert len({tuple(each.tolist()) for each in kept["local"]}) == WORKERS
    assert len({tuple(each.tolist()) for each in kept["averaged"]}) == 1
    local, averaged = runs.values()
    assert all(np.array_equal(a, b) for a, b in zip(local.iterates, averaged.iterates, strict=True))
    assert local.rows[-1]["up_framed"] == averaged.rows[-1]["up_framed"], "a diagnostic"
    counts = [r.node.account.ledger.total("up", "diagnostic").framed for r in runs.values()]
    assert counts[0] < counts[1]


def test_the_average_is_the_mean_over_ranks_of_what_each_had() -> None:
    before: list[np.ndarray] = []
    averaged = problem(model_args={"batch_norm": True}, batch_norm="averaged")

    def look(played: Played, _sent: object) -> None:
        if played.node.round == 2:
            before.extend(rank.share.statistics().numpy() for rank in played.host.ranks)

    played = play(document(rounds=2, evaluate={"every": 2}, problem=averaged), look)
    after = played.host.ranks[0].share.statistics().numpy()
    assert np.allclose(after, np.mean(before, axis=0), rtol=1e-6)
