"""All downlink modes move x alike, bit for bit: only what travels differs."""

import numpy as np
import pytest
from pieces import allows, every, name, pairs, rounded, suited
from playing import Played, play
from tasks import document

from psim.methods.base import Method

MACHINE = ("down_payload", "down_framed", "wall", "diagnostic_s")
OTHERS = ("update", "gather")
CASES = pairs(
    [
        piece
        for piece in every("methods")
        if piece.downlink == "model" and any(allows(piece, downlink) for downlink in OTHERS)
    ]
)


@pytest.mark.parametrize(
    ("piece", "compressor", "values"),
    [*((*case, "native") for case in CASES), *((*case, "float32") for case in rounded(CASES))],
    ids=name,
)
def test_all_downlink_modes_give_the_same_bits(
    piece: Method, compressor: dict, values: str
) -> None:
    common = suited(
        {
            **document("breast_cancer", 12),
            "workers": 5,
            "method": piece,
            "compressor": compressor,
            "wire": {"values": values},
            "metrics": {"every": 5},
            "step_size": 0.02,
        }
    )
    model = play(common)
    assert np.any(model.iterates[-1] != model.iterates[0])
    for downlink in OTHERS:
        if allows(piece, downlink):
            other = play({**common, "method": piece.model_copy(update={"downlink": downlink})})
            compare(other, model)


def compare(other: Played, model: Played) -> None:
    """The same x and rows, but for what the downlink carries."""
    for x, y in zip(other.iterates, model.iterates, strict=True):
        assert x.tobytes() == y.tobytes()
    # What the run ends with may be another model: x less the mean of the workers' residuals.
    assert other.host.iterate.x.numpy().tobytes() == other.iterates[-1].tobytes()
    for one, another in zip(other.rows, model.rows, strict=True):
        keys = set(one) - set(MACHINE)
        assert {key: one[key] for key in keys} == {key: another[key] for key in keys}
