"""What rows say with minibatches, and the quantities that add up or are taken from messages."""

import math

import numpy as np
import pytest
from playing import Played, play
from reference import problems
from streams import stream
from tasks import samples

from psim.config import parse
from psim.errors import ConfigError
from psim.nodes.instructions import Finish
from psim.wire.messages import Packet

WORKERS, BATCH, ROUNDS = 5, 16, 12
PROBLEM = {"name": "logistic", "dataset": "breast_cancer", "batch": BATCH}


def document(**more: object) -> dict[str, object]:
    return {
        "rounds": ROUNDS,
        "workers": WORKERS,
        "problem": PROBLEM,
        "method": "sgd",
        "step_size": 0.1,
        **more,
    }


def test_without_full_only_the_minibatches_losses_are_recorded() -> None:
    played = play(document())
    assert played.finish == Finish("done")
    features, labels = samples("breast_cancer")
    cuts = problems.split(len(labels), WORKERS)
    for t, (x, row) in enumerate(zip(played.iterates, played.rows, strict=True)):
        for field in ("loss", "grad_norm_sq", "suboptimality", "distortion"):
            assert row[field] is None
        losses = []
        for rank, cut in enumerate(cuts):
            count = len(labels[cut])
            epoch, place = divmod(t, -(-count // BATCH))
            order = stream(0, "batch", rank, epoch).permutation(count)
            which = order[place * BATCH : (place + 1) * BATCH]
            mine = features[cut][which], labels[cut][which]
            losses.append(problems.logistic_loss(x, *mine, problems.nonconvex(0.1)))
        assert row["train_loss"] == pytest.approx(np.mean(losses), rel=1e-12)


def test_full_asks_for_f_every_so_many_rounds_and_at_the_end() -> None:
    played = play(document(metrics={"every": 2, "full": 8}, method="ef21"))
    found = {row["round"]: row["loss"] is not None for row in played.rows}
    assert found == {0: True, 2: False, 4: False, 6: False, 8: True, 10: False, 12: True}
    problem = played.experiment.problem
    for row in played.rows:
        assert (row["distortion"] is not None) == found[row["round"]]
        if found[row["round"]]:
            x = played.node.iterate.x.new_tensor(played.iterates[row["round"]])
            gradients = [problem.share(rank).gradient(x) for rank in range(WORKERS)]
            norm = float(np.sum(np.mean([g.numpy() for g in gradients], axis=0) ** 2))
            assert row["grad_norm_sq"] == pytest.approx(norm, rel=1e-12)


def test_full_thins_out_full_gradients_too() -> None:
    problem = {"name": "logistic", "dataset": "breast_cancer"}
    every = play(document(problem=problem, method="gd"))
    some = play(document(problem=problem, method="gd", metrics={"every": 1, "full": 5}))
    for one, other in zip(every.rows, some.rows, strict=True):
        known = one["round"] in (0, 5, 10, 12)
        assert other["loss"] == (one["loss"] if known else None)
        assert one["train_loss"] is other["train_loss"] is None


@pytest.mark.parametrize("metrics", [{}, {"full": 3}])
def test_a_run_that_diverges_is_seen_without_f(metrics: dict[str, object]) -> None:
    problem = {"name": "least_squares", "dataset": "breast_cancer", "batch": BATCH}
    played = play(document(problem=problem, step_size=1e30, metrics=metrics, rounds=60))
    assert played.finish is not None
    assert played.finish.status == "diverged"
    assert played.finish.reason == "the loss of rank 0 is not finite in round 5"
    assert played.rows[-1]["round"] < 60
    for row in played.rows:
        assert all(value is None or math.isfinite(value) for value in row.values())


def test_a_run_that_diverges_says_when() -> None:
    problem = {"name": "least_squares", "dataset": "breast_cancer"}
    played = play(document(problem=problem, step_size=1e30, rounds=60, metrics={"every": 2}))
    assert played.finish is not None
    last = played.rows[-1]["round"]
    assert played.finish.reason == f"f or its gradient is not finite in round {last}"


def test_stop_conditions_hold_without_f() -> None:
    played = play(document(stop={"bytes": 20_000}))
    assert played.finish == Finish("done", "bytes")
    played = play(document(stop={"grad_norm_sq": 1e9}, metrics={"every": 1, "full": 4}))
    assert played.finish == Finish("done", "grad_norm_sq")
    assert played.rows[-1]["round"] == 0


@pytest.mark.parametrize("method", ["ef", "ef_sgd"])
def test_the_total_error_is_the_sum_over_all_rounds(method: str) -> None:
    compressor = {"name": "topk", "k": 2}
    whole = play(document(method=method, compressor=compressor))
    norms = [row["error_norm_sq"] for row in whole.rows]
    totals = [row["total_error"] for row in whole.rows]
    assert totals == pytest.approx(np.cumsum(norms).tolist(), rel=1e-12)
    assert totals[-1] > 0
    sparse = play(document(method=method, compressor=compressor, metrics={"every": 6}))
    assert [row["total_error"] for row in sparse.rows] == [totals[t] for t in (0, 6, 12)]


def test_density_is_the_share_of_entries_that_a_message_has() -> None:
    for row in play(document(method="ef", compressor={"name": "topk", "k": 3})).rows:
        assert row["density"] == (3 / 30 if row["round"] else None)


def test_the_share_of_workers_on_the_plain_branch() -> None:
    flags: list[float] = []

    def look(_played: Played, sent: list[Packet]) -> None:
        flags.append(float(np.mean([packet.scalars[0] for packet in sent])))

    problem = {"name": "logistic", "dataset": "breast_cancer"}
    described = document(
        problem=problem,
        method={"name": "ef21_plus", "init": "full"},
        compressor={"name": "topk", "k": 1},
        step_size={"rule": "theorem2", "multiple": 8},
        rounds=80,
        workers=20,
    )
    rows = play(described, look).rows
    assert [row["plain"] for row in rows] == flags
    assert 0 < max(flags) <= 1
    assert all(row["level"] is None for row in rows)


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        ({"metrics": {"every": 4, "full": 6}}, "metrics.full", "6 is no multiple of every = 4"),
        ({"metrics": {"full": 0}}, "metrics.full", "0"),
        ({"optimizer": {"name": "rms"}}, "optimizer.name", "'rms'"),
        ({"optimizer": {"name": "sgd", "beta1": 0.9}}, "optimizer", "beta1 goes with name: adam"),
        ({"optimizer": {"name": "sgd", "momentum": 1}}, "optimizer.momentum", "less than 1"),
        ({"optimizer": {"momentum": 0.9}}, "optimizer.name", "missing"),
    ],
)
def test_a_wrong_config_is_one_clear_error(more: dict, path: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse(document(**more))
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        ({"stop": {"grad_norm_sq": 1e-3}}, "stop.grad_norm_sq", "add metrics: {full: K}"),
        ({"optimizer": {"name": "adam"}, "method": "ef"}, "optimizer", "takes no optimizer"),
        (
            {
                "optimizer": {"name": "adam"},
                "method": {"name": "sgd", "downlink": "gather"},
                "participation": {"kind": "sampled", "fraction": 0.5},
            },
            "optimizer",
            "method.downlink: model",
        ),
        (
            {"method": {"name": "sgd", "downlink": "gather"}, "wire": {"model": "float32"}},
            "wire.model",
            "does not travel with method.downlink: gather",
        ),
    ],
)
def test_what_does_not_fit_together_is_one_clear_error(more: dict, path: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        play(document(**more))
    assert caught.value.path == path
