"""The fields of a state are the whole of it: a copy made of them goes on with the same bits."""

import copy
import dataclasses

import pytest
import torch
from pieces import KINDS, every, name, pairs, suited
from playing import Played, play
from tasks import document

from psim.methods.base import Method
from psim.wire.messages import Packet

CASES = pairs(every("methods"))
HALF = 7


def rebuilt(state: object) -> object:
    """A new object of the same fields, through a dictionary that a file could hold."""
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    for value in fields.values():
        plain = isinstance(value, torch.Tensor | str | int | float | bool | tuple | None)
        assert plain or dataclasses.is_dataclass(value), "a state within a state"
    kept = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in fields.items()}
    for key, value in fields.items():  # whoever still held on to the old tensors would be seen
        if isinstance(value, torch.Tensor):
            value.fill_(float("nan"))
        elif dataclasses.is_dataclass(value):
            kept[key] = rebuilt(value)
    return type(state)(**kept)


def restart(played: Played, sent: list[Packet]) -> None:
    """Half-way, put copies in the place of every node's state."""
    if played.host.round != HALF:
        return
    played.host.iterate = rebuilt(played.host.iterate)
    played.node.iterate = rebuilt(played.node.iterate)
    played.node.state = rebuilt(played.node.state)
    if played.host.master is not None:
        played.host.master = rebuilt(played.host.master)
    for rank in played.host.ranks:
        rank.state = rebuilt(rank.state)
        rank.compression.state = copy.deepcopy(rank.compression.state)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_optimizer_s_moments_are_part_of_the_state(optimizer: str) -> None:
    described = {
        **document("breast_cancer", 2 * HALF),
        "method": {"name": "ef_sgd", "downlink": "update"},
        "compressor": KINDS[0],
        "step_size": 0.02,
        "optimizer": {"name": optimizer, **({"momentum": 0.9} if optimizer == "sgd" else {})},
    }
    whole, resumed = play(described), play(described, restart)
    assert [x.tobytes() for x in resumed.iterates] == [x.tobytes() for x in whole.iterates]


@pytest.mark.parametrize(("piece", "compressor"), CASES, ids=name)
def test_a_run_goes_on_from_its_fields_with_the_same_bits(piece: Method, compressor: dict) -> None:
    described = suited(
        {
            **document("breast_cancer", 2 * HALF),
            "workers": 5,
            "method": piece,
            "compressor": compressor,
            "step_size": 0.02,
        }
    )
    whole, resumed = play(described), play(described, restart)
    assert [x.tobytes() for x in resumed.iterates] == [x.tobytes() for x in whole.iterates]
    assert resumed.rows == whole.rows
