"""Rounds in which nobody sends a value, over TCP: an empty message is a message."""

import json

import pytest
from processes import SMALL, lasting, summary

from psim.config import parse
from psim.launch.single import run

ROUNDS = 30


@pytest.mark.parametrize("downlink", ["model", "update", "gather"])
def test_a_silent_round_is_over_like_any_other(tmp_path, downlink):
    """The threshold is above all gradients: only what error feedback has gathered is ever sent."""
    document = {
        **SMALL,
        "workers": 3,
        "rounds": ROUNDS,
        "method": {"name": "ef_sgd", "downlink": downlink},
        "compressor": {"name": "hard_threshold", "threshold": 5.0},
        "step_size": 0.01,
    }
    here, there = tmp_path / "here", tmp_path / "there"
    run(parse({**document, "transport": "inproc"}), here)
    run(parse(document), there)
    rows = [json.loads(line) for line in (there / "rounds.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows] == list(range(ROUNDS + 1))
    silent = [row["round"] for row in rows[1:] if row["nnz"] == 0]
    assert 1 in silent
    assert 0 < len(silent) < ROUNDS
    for t in silent:
        assert rows[t]["up_bits"] == rows[t - 1]["up_bits"]
        assert rows[t]["up_framed"] > rows[t - 1]["up_framed"], "headers"
        assert rows[t]["loss"] == rows[t - 1]["loss"], "x has not moved"
        assert rows[t]["time"] > rows[t - 1]["time"]
    assert lasting(there) == lasting(here)
    audit = summary(there)["audit"]
    assert audit is None or audit["difference"] == 0
