"""A run whose vector has layers, each of which is compressed by itself."""

import learnable
import pytest
import torch
from pieces import every
from playing import play

from psim.data.opened import OpenedProblem
from psim.nodes.instructions import Finish
from psim.segments import laid_out
from psim.vectors import densify

LAYERS = laid_out({"weight": (5, 4), "bias": (4,), "kernel": (4, 2, 3)})
SIZE = 48
FIRST = {piece.name: piece.document() for piece in reversed(every("compressors"))}


@pytest.mark.parametrize("name", FIRST)
def test_layers_are_compressed_in_a_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenedProblem, "segments", LAYERS)

    def look(played, sent) -> None:
        for rank, packet in zip(played.host.ranks, sent, strict=True):
            (payload,) = packet.payloads
            payload = played.node._shared.complete(payload, packet.round)
            arrived = densify(payload, torch.float64)
            kept = rank.state.estimate_of_gradient()
            assert torch.equal(kept, kept_before.get(rank.rank, 0.0) + arrived)
            kept_before[rank.rank] = kept.clone()

    runs = []
    for downlink in ("model", "update"):
        kept_before: dict[int, torch.Tensor] = {}
        document = {
            "rounds": 8,
            "workers": 3,
            "problem": {"name": "quadratic", "dimension": SIZE, "mu": 0.5},
            "start": {"kind": "normal", "seed": 1},
            "method": {"name": "ef21", "downlink": downlink},
            "compressor": {**FIRST[name], "scope": "layer"},
            "step_size": 0.1,
        }
        runs.append(play(document, look))
    for one, other in zip(*(run.iterates for run in runs), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_network_may_have_hundreds_of_layers_with_a_level_each() -> None:
    layers = 300
    played = play(
        {
            "rounds": 5,
            "workers": 2,
            "problem": learnable.problem(
                model="learnable:deep", model_args={"layers": layers}, batch=8
            ),
            "method": {"name": "accordion", "inner": {"name": "ef"}, "levels": [1, 2], "window": 2},
            "compressor": {"name": "topk", "k": 1, "scope": "layer"},
            "step_size": 0.01,
        }
    )
    assert played.finish == Finish("done")
    assert played.rows[-1][f"level_{layers - 1}"] in (0.0, 1.0)
