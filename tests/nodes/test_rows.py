"""The rows of a run: their fields, what they count, and when they are made."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from fields import FIELDS
from pieces import every, label, takes
from playing import Played, play

from psim.methods.base import Method
from psim.nodes.instructions import Finish

WORKERS, SIZE = 3, 10
COUNTERS = ["up_bits", "up_payload", "up_framed", "down_payload", "down_framed"]


def run(method: object, compressor: object = None, rounds: int = 6, **more: object) -> Played:
    return play(
        {
            "rounds": rounds,
            "workers": WORKERS,
            "problem": {"name": "quadratic", "dimension": SIZE},
            "start": {"kind": "normal", "seed": 2},
            "method": method,
            "compressor": compressor or {"name": "topk", "k": 1},
            "step_size": 0.1,
            **more,
        }
    )


@pytest.mark.parametrize(
    "piece", [piece for piece in every("methods") if piece.downlink == "model"], ids=label
)
def test_every_row_has_every_field_in_order(piece: Method) -> None:
    compressor = {"name": "identity"}
    if not takes(piece, compressor):
        compressor = {"name": "topk", "k": 1}
    for row in run(piece, compressor).rows:
        assert list(row) == FIELDS
        assert row["lag"] is None, "only the real clock can be late"
        assert row["suboptimality"] is None, "f* was not asked for"


@pytest.mark.parametrize(
    ("method", "distortion", "error"),
    [
        ("dcgd", False, False),
        ("ef", False, True),
        ("ef21", True, False),
        ("ef21_plus", True, False),
    ],
)
def test_a_method_has_the_quantities_that_it_keeps(
    method: str, distortion: bool, error: bool
) -> None:
    for row in run(method).rows:
        assert (row["distortion"] is not None) == distortion
        assert (row["error_norm_sq"] is not None) == error


@pytest.mark.parametrize(
    ("every_rounds", "rounds", "expected"),
    [
        (1, 3, [0, 1, 2, 3]),
        (2, 6, [0, 2, 4, 6]),
        (4, 6, [0, 4, 6]),
        (100, 6, [0, 6]),
        (1, 1, [0, 1]),
    ],
)
def test_rows_are_made_every_so_often_and_at_both_ends(
    every_rounds: int, rounds: int, expected: list[int]
) -> None:
    played = run("ef21", rounds=rounds, metrics={"every": every_rounds})
    assert [row["round"] for row in played.rows] == expected
    assert len(played.iterates) == rounds + 1


@pytest.mark.parametrize("method", ["ef", "ef21", "ef21_plus"])
def test_sparser_rows_are_the_same_rows(method: str) -> None:
    whole, sparse = run(method).rows, run(method, metrics={"every": 4}).rows
    assert sparse == [row for row in whole if row["round"] in (0, 4, 6)]


def test_metrics_are_those_of_f_at_x_t() -> None:
    played = run("ef21", problem={"name": "quadratic", "dimension": SIZE, "f_star": "compute"})
    problem = played.experiment.problem
    pairs = [problem._shares.pair(rank) for rank in range(WORKERS)]
    matrix = np.mean([pair[0] for pair in pairs], axis=0)
    vector = np.mean([pair[1] for pair in pairs], axis=0)
    minimum = 0.5 * -vector @ np.linalg.solve(matrix, vector)
    for x, row in zip(played.iterates, played.rows, strict=True):
        loss = 0.5 * x @ matrix @ x - vector @ x
        assert row["loss"] == pytest.approx(loss, rel=1e-12)
        assert row["grad_norm_sq"] == pytest.approx(np.sum((matrix @ x - vector) ** 2), rel=1e-12)
        assert row["suboptimality"] == pytest.approx(loss - minimum, rel=1e-9)


def test_distortion_is_taken_after_the_message_and_the_error_before_it() -> None:
    kept: dict[int, float] = {}

    def look(played: Played, _sent: list) -> None:
        ranks = played.host.ranks
        if ranks[0].state.estimate_of_gradient() is not None:
            gaps = [r.state.estimate_of_gradient() - r.gradient for r in ranks]
            kept[played.host.round] = float(np.mean([float(gap @ gap) for gap in gaps]))
        else:
            errors = [r.state.error_kept() for r in ranks]
            kept[played.host.round + 1] = float(np.mean([float(e @ e) for e in errors]))

    for method, field in (("ef21", "distortion"), ("ef", "error_norm_sq")):
        kept.clear()
        kept[0] = 0.0
        for row in play_rows(method, look):
            assert row[field] == pytest.approx(kept[row["round"]], rel=1e-12)


def play_rows(method: str, look: object) -> list:
    return play(
        {
            "rounds": 5,
            "workers": WORKERS,
            "problem": {"name": "quadratic", "dimension": SIZE},
            "start": {"kind": "normal", "seed": 2},
            "method": method,
            "compressor": {"name": "topk", "k": 2},
            "step_size": 0.1,
        },
        look,
    ).rows


@pytest.mark.parametrize(
    ("method", "compressor", "bits"),
    [
        ("gd", "identity", 32 * SIZE),
        ("dcgd", {"name": "topk", "k": 1}, 32),
        ("ef", {"name": "topk", "k": 3}, 96),
        ("ef21", {"name": "topk", "k": 1}, 32),
        ("ef21_plus", {"name": "topk", "k": 1}, 32),
        ("ef21", {"name": "randk", "k": "20%"}, 64),
    ],
)
def test_row_t_counts_the_bits_of_t_messages_a_worker(
    method: str, compressor: object, bits: int
) -> None:
    for row in run(method, compressor).rows:
        assert row["up_bits"] == bits * row["round"]
        assert row["nnz"] == (bits / 32 if row["round"] else None)


@pytest.mark.parametrize(("init", "bits"), [("compressed", 32), ("full", 32 * SIZE), ("zero", 0)])
@pytest.mark.parametrize("method", ["ef21", "ef21_plus"])
def test_what_a_method_sends_to_start_is_counted_apart(method: str, init: str, bits: int) -> None:
    played = run({"name": method, "init": init})
    assert played.node.account.start_bits == bits
    assert [row["up_bits"] for row in played.rows] == [32 * t for t in range(7)]


@pytest.mark.parametrize("method", ["gd", "ef"])
def test_other_methods_send_nothing_to_start(method: str) -> None:
    played = run(method, "identity")
    assert played.node.account.start_bits == 0


@pytest.mark.parametrize("method", ["dcgd", "ef", "ef21"])
def test_counters_only_grow(method: str) -> None:
    rows = run(method).rows
    for before, after in pairwise(rows):
        assert all(after[key] >= before[key] for key in COUNTERS)


def test_a_run_that_diverges_says_so_and_its_rows_are_json() -> None:
    played = run("dcgd", step_size=1e9, rounds=500, metrics={"every": 1})
    last = played.rows[-1]["round"]
    lost = f"f or its gradient is not finite in round {last}"
    assert played.finish == Finish("diverged", reason=lost)
    last = played.rows[-1]
    assert last["grad_norm_sq"] is None
    assert 0 < last["round"] < 500
    assert list(last) == FIELDS
    for row in played.rows:
        assert json.loads(json.dumps(row, allow_nan=False)) == row
        assert all(value is None or math.isfinite(value) for value in row.values())


def test_rows_read_back_to_the_bit() -> None:
    for row in run("ef21").rows:
        assert json.loads(json.dumps(row)) == row
