"""Rounds that some ranks take no part in, against a second implementation and by hand."""

import numpy as np
import pytest
from playing import Played, play

from psim.config import parse
from psim.errors import ConfigError
from psim.random import sample

N, SIZE, ROUNDS, STEP = 5, 4, 12, 0.05
COMPUTE = np.array([[3, 1, 2, 9, 4], [1, 5, 2, 3, 3], [2, 2, 30, 1, 4], [6, 1, 1, 1, 2]]) / 100
LATENCY = 0.005


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Five quadratics, and recorded times of computing in which each rank is late at times."""
    folder = tmp_path_factory.mktemp("task")
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((N, SIZE, SIZE))
    matrices = roots @ roots.transpose(0, 2, 1) + np.eye(SIZE)
    vectors = rng.standard_normal((N, SIZE))
    np.savez(folder / "quadratic.npz", A=matrices, b=vectors)
    np.save(folder / "compute.npy", COMPUTE)
    return folder, matrices, vectors


def document(task, participation: dict, **more: object) -> dict:
    folder, *_ = task
    return {
        "rounds": ROUNDS,
        "workers": N,
        "problem": {"name": "quadratic", "path": str(folder / "quadratic.npz")},
        "start": {"kind": "normal", "seed": 3},
        "method": {"name": "gd"},
        "step_size": STEP,
        "network": {"uplink": {"latency": "5 ms"}},
        "compute": {"kind": "replay", "path": str(folder / "compute.npy"), "master": 0},
        "participation": participation,
        **more,
    }


def reference(task, x: np.ndarray, rule, late_are_used: bool) -> tuple[list, list]:
    """x^t and the instants, with a free network but for the uplinks' latency.

    ``rule(began, arrivals, late)`` gives the instant at which a round ends.
    """
    _, matrices, vectors = task
    now, underway, iterates, times = 0.0, {}, [], []
    for t in range(ROUNDS + 1):
        iterates.append(x)
        times.append(now)
        sent = {}
        for i in range(N):
            if i not in underway:
                gradient = matrices[i] @ x - vectors[i]
                sent[i] = (now + COMPUTE[t % len(COMPUTE)][i] + LATENCY, gradient)
        now = rule(now, [a for a, _ in sent.values()], [a for a, _ in underway.values()])
        used = {i: g for i, (a, g) in sent.items() if a <= now}
        back = {i: g for i, (a, g) in underway.items() if a <= now}
        underway = {i: p for i, p in {**underway, **sent}.items() if p[0] > now}
        if late_are_used:
            used.update(back)
        if used:
            mean = sum(used[i] for i in sorted(used)) / len(used)
            x = x - STEP * mean
    return iterates, times


def first(count: int, late_are_used: bool):
    def ends(_began: float, arrivals: list[float], late: list[float]) -> float:
        usable = sorted(arrivals + (late if late_are_used else []))
        return usable[min(count, len(usable)) - 1] if usable else min(late)

    return ends


def within(seconds: float):
    def ends(began: float, arrivals: list[float], _late: list[float]) -> float:
        return min([began + seconds, *([max(arrivals)] if arrivals else [])])

    return ends


def assert_follows(played: Played, expected: tuple[list, list]) -> None:
    for found, x in zip(played.iterates, expected[0], strict=True):
        np.testing.assert_allclose(found, x, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose([row["time"] for row in played.rows], expected[1], rtol=1e-12)


@pytest.mark.parametrize("late", ["drop", "next"])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_quorum_follows_the_reference(task, count, late):
    played = play(document(task, {"kind": "quorum", "count": count, "late": late}))
    x0 = played.experiment.x0.numpy()
    expected = reference(task, x0, first(count, late == "next"), late == "next")
    assert_follows(played, expected)
    attendance = played.node.attendance
    assert attendance.late > 0
    assert (attendance.dropped > 0) == (late == "drop")


@pytest.mark.parametrize("late", ["drop", "next"])
@pytest.mark.parametrize("milliseconds", [5, 20, 34, 60])
def test_a_deadline_follows_the_reference(task, milliseconds, late):
    wanted = {"kind": "deadline", "seconds": f"{milliseconds} ms", "late": late}
    played = play(document(task, wanted))
    x0 = played.experiment.x0.numpy()
    expected = reference(task, x0, within(milliseconds / 1000), late == "next")
    assert_follows(played, expected)


def test_a_round_without_any_message_leaves_x_and_goes_on(task):
    played = play(document(task, {"kind": "deadline", "seconds": "2 ms", "late": "next"}))
    assert [row["participants"] for row in played.rows[:4]] == [None, 0, 0, 0]
    np.testing.assert_array_equal(played.iterates[1], played.iterates[0])
    assert [row["time"] for row in played.rows[:3]] == pytest.approx([0, 0.002, 0.004])


def test_a_sample_follows_the_reference(task):
    _, matrices, vectors = task
    played = play(document(task, {"kind": "sampled", "fraction": 0.4}, seed=9))
    x, now = played.experiment.x0.numpy(), 0.0
    for t, (found, row) in enumerate(zip(played.iterates, played.rows, strict=True)):
        np.testing.assert_allclose(found, x, rtol=1e-12, atol=1e-13)
        assert row["time"] == pytest.approx(now, rel=1e-12)
        assert row["participants"] == (2 if t else None)
        members = sample(9, "participation", N, 2, t).tolist()
        x = x - STEP * sum(matrices[i] @ x - vectors[i] for i in members) / 2
        now += COMPUTE[t % len(COMPUTE)][members].max() + LATENCY


def test_only_those_that_take_part_are_charged(task):
    played = play(document(task, {"kind": "sampled", "fraction": 0.4}, seed=9))
    ledger = played.node.account.ledger
    summary = ledger.summary()
    assert summary["down"]["setup"]["messages"] == 2
    assert summary["down"]["broadcast"]["messages"] == 2 * ROUNDS
    assert summary["up"]["message"]["messages"] == 2 * (ROUNDS + 1)
    model = 7 + 8 * SIZE + 2
    counts = np.zeros(N, dtype=int)
    for t in range(1, ROUNDS + 1):
        counts[sample(9, "participation", N, 2, t)] += 1
    assert ledger.per_worker()["down"]["broadcast"] == (model * counts).tolist()
    assert played.rows[-1]["up_bits"] == 32 * SIZE * 2 * ROUNDS / N
    assert played.rows[-1]["nnz"] == SIZE


def test_late_messages_are_counted_as_sent(task):
    played = play(document(task, {"kind": "quorum", "count": 3}))
    attendance = played.node.attendance
    sent = played.node.account.ledger.summary()["up"]["message"]["messages"]
    assert attendance.used + attendance.late == sent


EVERYBODY = [
    {"kind": "sampled", "fraction": 1.0},
    {"kind": "quorum", "count": N},
    {"kind": "deadline", "seconds": "10 min"},
]


@pytest.mark.parametrize("participation", EVERYBODY, ids=lambda p: p["kind"])
@pytest.mark.parametrize("downlink", ["model", "update"])
def test_where_all_take_part_it_is_as_if_nothing_had_been_said(task, participation, downlink):
    method = {"name": "dcgd", "downlink": downlink}
    compressor = {"name": "topk", "k": 2}
    more = {"method": method, "compressor": compressor}
    plain, other = (play(document(task, p, **more)) for p in ({"kind": "all"}, participation))
    for a, b in zip(plain.iterates, other.iterates, strict=True):
        assert a.tobytes() == b.tobytes()
    same = [key for key in plain.rows[0] if key != "diagnostic_s"]
    assert [[r[k] for k in same] for r in plain.rows] == [[r[k] for k in same] for r in other.rows]


@pytest.mark.parametrize(
    "participation",
    [
        {"kind": "sampled", "fraction": 0.4},
        {"kind": "quorum", "count": 3, "late": "next"},
        {"kind": "deadline", "seconds": "25 ms"},
    ],
    ids=lambda p: p["kind"],
)
def test_x_is_the_same_in_both_downlink_modes(task, participation):
    runs = [
        play(document(task, participation, method={"name": "gd", "downlink": downlink}))
        for downlink in ("model", "update")
    ]
    for a, b in zip(*(run.iterates for run in runs), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_rank_that_missed_an_update_is_sent_the_model(task):
    more = {
        "method": {"name": "dcgd", "downlink": "update"},
        "compressor": {"name": "randk", "k": 1},
        "network": {},
        "compute": {"kind": "constant", "seconds": 0},
        "problem": {"name": "quadratic", "dimension": 64},
    }
    played = play(document(task, {"kind": "sampled", "fraction": 0.4}, **more))
    model, expected, before = 7 + 1 + 8 * 64 + 9, 0, set()
    for t in range(1, ROUNDS + 1):
        members = set(sample(0, "participation", N, 2, t).tolist())
        before = set(sample(0, "participation", N, 2, t - 1).tolist())
        expected += model * len(members - before)
    down = played.node.account.ledger.summary()["down"]["broadcast"]
    kept = sum(
        len(set(sample(0, "participation", N, 2, t)) & set(sample(0, "participation", N, 2, t - 1)))
        for t in range(1, ROUNDS + 1)
    )
    assert kept > 0
    assert expected < down["framed"] < expected + kept * model / 4


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"participation": {"kind": "quorum", "count": 6}}, "6 exceeds workers = 5"),
        ({"participation": {"kind": "quorum"}}, "which needs it: give count"),
        ({"participation": {"kind": "all", "count": 3}}, "goes with kind: quorum"),
        ({"participation": {"kind": "deadline", "seconds": 0}}, "greater than 0"),
        ({"participation": {"kind": "sampled", "fraction": 1.5}}, "less than or equal to 1"),
        ({"network": {"clock": "none"}}, "there is none"),
        ({"compute": {"kind": "measured"}}, "has other participants in each run"),
        (
            {"compute": {"kind": "constant", "seconds": 1, "master": "measured"}},
            "has other participants in each run",
        ),
    ],
)
def test_what_does_not_fit_is_refused(task, more, cause):
    whole = {**document(task, {"kind": "quorum", "count": 3}), **more}
    with pytest.raises(ConfigError, match=cause):
        parse(whole)


def test_measured_computing_is_taken_where_it_is_accepted(task):
    wanted = {"kind": "quorum", "count": 3, "repeatable": False}
    played = play(document(task, wanted, compute={"kind": "measured"}))
    assert played.rows[-1]["participants"] >= 3


def test_a_method_that_needs_all_messages_says_so(task):
    with pytest.raises(ConfigError, match="method 'ef21' needs every rank's message"):
        play(document(task, {"kind": "quorum", "count": 3}, method={"name": "ef21"}))
