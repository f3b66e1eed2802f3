"""The bytes of one small run, counted by hand.

d = 10 and n = 2 in float64, Top-1. A header is a msgpack array: a byte, then the fields, all of
which take a byte here: [version, kind, round, rank, payloads] and, for a payload, [form] or
[form, k].
"""

import pytest
from playing import Played, play

WORKERS, SIZE, ROUNDS = 2, 10, 3
HEADER = 1 + 5
MODEL = HEADER + 1 + 8 * SIZE  # 87
SPARSE = HEADER + 2 + 1 + 8  # 17: an index of one byte and a value
DENSE = HEADER + 1 + 8 * SIZE
NOTHING = HEADER + 2
QUESTION = HEADER
ANSWER = HEADER + 1 + 4 * 9 + 8 * SIZE  # four scalars of nine bytes each
REPORT = 16
SHORT = 2  # what ZMTP puts before a frame of up to 255 bytes


def run(method: object, **more: object) -> Played:
    return play(
        {
            "rounds": ROUNDS,
            "workers": WORKERS,
            "problem": {"name": "quadratic", "dimension": SIZE},
            "start": {"kind": "normal"},
            "method": method,
            "compressor": {"name": "topk", "k": 1},
            "step_size": 0.1,
            **more,
        }
    )


@pytest.mark.parametrize(
    ("init", "first"), [("compressed", SPARSE), ("full", DENSE), ("zero", NOTHING)]
)
def test_row_t_of_ef21_counts_its_start_and_the_messages_before_x_t(init: str, first: int) -> None:
    for row in run({"name": "ef21", "init": init}).rows:
        after = row["round"] - 1
        started = after >= 0
        assert row["up_payload"] == started * WORKERS * (first + after * SPARSE)
        assert row["up_framed"] == started * WORKERS * (first + SHORT + after * (SPARSE + SHORT))


def test_the_flag_of_ef21_plus_is_a_byte() -> None:
    for row in run("ef21_plus").rows:
        assert row["up_payload"] == WORKERS * row["round"] * (SPARSE + 1)


def test_rows_of_ef_count_the_messages_before_x_t() -> None:
    for row in run("ef").rows:
        assert row["up_payload"] == WORKERS * row["round"] * SPARSE
        assert row["up_framed"] == WORKERS * row["round"] * (SPARSE + SHORT)


@pytest.mark.parametrize("method", ["ef", "ef21"])
def test_row_t_counts_the_models_sent_before_x_t_but_not_x_0(method: str) -> None:
    for row in run(method).rows:
        sent = max(0, row["round"] - 1)
        assert row["down_payload"] == WORKERS * sent * MODEL
        assert row["down_framed"] == WORKERS * sent * (MODEL + SHORT)


def test_the_ledger_has_every_category() -> None:
    ledger = run("ef21").node.account.ledger
    every = WORKERS * (ROUNDS + 1)
    expected = {
        ("down", "setup"): (WORKERS, MODEL),
        ("down", "broadcast"): (WORKERS * ROUNDS, MODEL),
        ("down", "diagnostic"): (every, QUESTION),
        ("up", "start"): (WORKERS, SPARSE),
        ("up", "message"): (WORKERS * ROUNDS, SPARSE),
    }
    summary = ledger.summary()
    for (direction, category), (count, length) in expected.items():
        found = summary[direction][category]
        assert found["messages"] == count
        assert found["payload"] == count * length
        assert found["framed"] == count * (length + SHORT)
    # Reports of computing travel beside the messages, and answers to questions.
    beside = summary["up"]["diagnostic"]
    assert beside["messages"] == 2 * every
    assert beside["payload"] == every * (REPORT + ANSWER)
    assert beside["framed"] == every * (REPORT + SHORT + ANSWER + SHORT)
    assert summary["up"]["message"]["bits"] == WORKERS * ROUNDS * 32


def test_a_link_is_charged_66_bytes_for_each_segment_and_nothing_for_diagnostics() -> None:
    summary = run("ef21").node.account.ledger.summary()
    assert summary["up"]["message"]["link"] == WORKERS * ROUNDS * (SPARSE + SHORT + 66)
    assert summary["down"]["broadcast"]["link"] == WORKERS * ROUNDS * (MODEL + SHORT + 66)
    assert summary["up"]["diagnostic"]["link"] == summary["down"]["diagnostic"]["link"] == 0


def test_every_worker_is_charged_its_own() -> None:
    shares = run("ef21").node.account.ledger.per_worker()
    assert shares["up"]["message"] == [ROUNDS * (SPARSE + SHORT)] * WORKERS
    assert shares["down"]["setup"] == [MODEL + SHORT] * WORKERS


def test_an_update_costs_its_entries_and_not_the_model() -> None:
    rows = run({"name": "ef21", "downlink": "update"}, workers=1).rows
    assert rows[3]["down_payload"] == 2 * SPARSE


def test_narrower_values_are_fewer_bytes() -> None:
    rows = run("ef21", wire={"values": "float32"}).rows
    assert rows[3]["up_payload"] == WORKERS * 3 * (SPARSE - 4)
    assert rows[3]["up_bits"] == 3 * 32, "the papers count 32 for any value"
