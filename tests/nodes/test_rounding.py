"""Rounding belongs to the compressor: sender and receiver keep what was sent, to the bit."""

import pytest
import torch
from playing import Played, play

from psim.errors import ConfigError
from psim.vectors import add_
from psim.wire.messages import Packet

QUADRATIC = {"name": "quadratic", "dimension": 20, "mu": 0.5}


def described(values: str, rounds: int, **more: object) -> dict[str, object]:
    return {
        "rounds": rounds,
        "workers": 5,
        "problem": QUADRATIC,
        "start": {"kind": "normal", "seed": 1},
        "method": "ef21",
        "compressor": {"name": "topk", "k": 5},
        "wire": {"values": values},
        "metrics": {"every": rounds},
        **more,
    }


class Receiver:
    """Keeps the g_i as the master could: from what arrives."""

    def __init__(self) -> None:
        self.estimates = torch.zeros(5, 20, dtype=torch.float64)
        self.kinds: set[torch.dtype] = set()

    def look(self, played: Played, sent: list[Packet]) -> None:
        for rank, packet in zip(played.host.ranks, sent, strict=True):
            self.kinds.add(packet.payloads[0].values.dtype)
            add_(self.estimates[rank.rank], packet.payloads[0])
            assert torch.equal(self.estimates[rank.rank], rank.state.estimate_of_gradient())


@pytest.mark.parametrize("values", ["float32", "float16", "bfloat16", "native"])
def test_error_feedback_absorbs_the_rounding_of_what_is_sent(values: str) -> None:
    receiver = Receiver()
    played = play(described(values, 800), receiver.look)
    expected = torch.float64 if values == "native" else getattr(torch, values)
    assert receiver.kinds == {expected}
    if values != "float16":  # whose smallest numbers are too large for that
        assert played.rows[-1]["grad_norm_sq"] < 1e-25


@pytest.mark.parametrize("values", ["float32", "native"])
@pytest.mark.parametrize("downlink", ["model", "update"])
def test_the_masters_g_is_the_mean_of_the_workers_to_summation_error(
    downlink: str, values: str
) -> None:
    receiver = Receiver()
    rounds = 300
    more = {"method": {"name": "ef21", "downlink": downlink}}
    played = play(described(values, rounds, **more), receiver.look)
    setup, node = played.experiment.setup, played.node
    step = setup.step(rounds)
    node.iterate.advance(node.state.aggregate(node._messages, step), step)  # the last messages
    largest = receiver.estimates.abs().max()
    drift = (node.iterate.g - receiver.estimates.mean(0)).abs().max()
    assert drift <= rounds * torch.finfo(torch.float64).eps * largest.clamp(min=1.0)


def test_a_model_rounded_for_the_wire_is_kept_as_it_was_sent() -> None:
    def look(played: Played, sent: list[Packet]) -> None:
        x = played.node.iterate.x
        assert torch.equal(x, played.host.iterate.x)
        assert torch.equal(x, x.to(torch.float32).to(torch.float64))

    more = {"wire": {"values": "float32", "model": "float32"}}
    assert play(described("float32", 30, **more), look).finish is not None


def test_a_model_is_not_rounded_unless_asked() -> None:
    played = play(described("float16", 5))
    x = torch.from_numpy(played.iterates[3])
    assert not torch.equal(x, x.to(torch.float32).to(torch.float64))


def test_rounding_a_model_that_does_not_travel_is_an_error() -> None:
    more = {
        "wire": {"values": "native", "model": "float32"},
        "method": {"name": "ef21", "downlink": "update"},
    }
    with pytest.raises(ConfigError, match=r"wire\.model"):
        play(described("native", 5, **more))
