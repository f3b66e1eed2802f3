"""Nothing is lost: what was sent plus what is kept is what was meant, in every round."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pieces import KINDS, every, name, over, pairs, rounded, suited, takes
from playing import Played, play
from references import REFERENCES
from tasks import document

from psim.methods.base import Method
from psim.nodes.compression import Compression
from psim.nodes.rank import Rank
from psim.registry import build
from psim.step import Step
from psim.vectors import Shared, densify
from psim.wire.messages import Packet

SAME = 1e-12
ROUNDS, WORKERS = 12, 5
CASES = pairs([piece for piece in every("methods") if piece.downlink == "model"])


def plain(rank: Rank, _before: torch.Tensor) -> torch.Tensor:
    """The gradient itself."""
    return rank.gradients[0]


def less_star(rank: Rank, _before: torch.Tensor) -> torch.Tensor:
    """∇f_i(x) - ∇f_i(x*)."""
    return rank.gradients[0] - rank.state.shift


def momentum(rank: Rank, before: torch.Tensor) -> torch.Tensor:
    """m_i, of which the mask may have cleared a part by now."""
    return rank.gradients[0] + rank.state.momentum.momentum * before


DIRECTIONS = {"ec_gdstar": less_star, "dgc": momentum}
"""What a method means to send of a round's gradients, where it is not the first of them. They are
told m_i before the message, which is 0 in methods without momentum.
"""
SCALED = {"cser", "ef_sgd", "ec_gdstar", "dgc"}
"""Methods that send in units of a gradient, whatever the error's unit is."""


def opened(piece: Method, size: int) -> Method:
    """The method with what the master would read or compute for it: zeros."""
    return piece.opened(lambda _path: np.zeros(size), lambda: np.zeros(size), size)


def estimates(piece: Method) -> bool:
    """Whether master and workers keep g and g_i."""
    x0 = torch.zeros(2, dtype=torch.float64)
    piece = opened(piece, 2)
    return piece.worker(x0).estimate_of_gradient() is not None and hasattr(piece.iterate(x0), "g")


def described(piece: Method, compressor: dict, values: str = "native") -> dict[str, object]:
    return suited(
        {
            **document("breast_cancer", ROUNDS),
            "workers": WORKERS,
            "method": piece,
            "compressor": compressor,
            "step_size": 0.02,
            "wire": {"values": values},
        }
    )


def first(packet: Packet, played: Played) -> torch.Tensor:
    """The message proper, decoded; its indices derived again where none travelled."""
    payload = packet.payloads[0]
    if isinstance(payload, Shared):
        setup = played.experiment.setup
        indices = setup.compressor.indices(payload.size, setup.step(packet.round))
        payload = replace(payload, indices=indices)
    return densify(payload, torch.float64)


def second(packet: Packet) -> torch.Tensor:
    """What travels beside the message proper, or 0."""
    if len(packet.payloads) < 2:
        return torch.zeros(packet.payloads[0].size, dtype=torch.float64)
    return densify(packet.payloads[1], torch.float64)


def close(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    return float((actual - expected).norm()) <= SAME * max(1.0, float(expected.norm()))


class Books:
    """Watches a run and balances every rank's account each round."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.errors: dict[int, torch.Tensor] = {}
        self.momenta: dict[int, torch.Tensor] = {}
        self.estimates: dict[int, torch.Tensor] = {}
        self.balanced = 0

    def look(self, played: Played, sent: list[Packet]) -> None:
        step_size = played.experiment.setup.step_size
        for rank, packet in zip(played.host.ranks, sent, strict=True):
            arrived = first(packet, played)
            error, estimate = rank.state.error_kept(), rank.state.estimate_of_gradient()
            zero = torch.zeros_like(arrived)
            if error is not None:
                before = self.errors.get(rank.rank, zero)
                of = DIRECTIONS.get(self.method.name, plain)
                direction = of(rank, self.momenta.get(rank.rank, zero))
                factor = 1.0 if getattr(self.method, "memory", "") == "gradient" else step_size
                moved = factor * arrived if self.method.name in SCALED else arrived
                if self.method.name == "cser":  # its e_i has the other sign, and so has a reset
                    error, moved = -error, moved - second(packet)
                assert close(error + moved, before + factor * direction)
                self.errors[rank.rank] = error.clone()
                if of is momentum:
                    self.momenta[rank.rank] = rank.state.momentum.buffer.clone()
            if estimate is not None:
                replaced = any(packet.scalars)
                before = zero if replaced else self.estimates.get(rank.rank, zero)
                assert torch.equal(estimate, before + arrived), "what was sent was kept, to the bit"
                self.estimates[rank.rank] = estimate.clone()
            self.balanced += 1
        if self.method.name == "saef" and len(sent[0].payloads) > 1:
            offered = {packet.rank: second(packet) for packet in sent}
            mean = torch.stack(list(offered.values())).mean(0)
            for rank, vector in offered.items():
                self.errors[rank] += mean - vector


@pytest.mark.parametrize(
    ("piece", "compressor", "values"),
    [*((*case, "native") for case in CASES), *((*case, "float16") for case in rounded(CASES))],
    ids=name,
)
def test_what_was_sent_and_what_is_kept_make_what_was_meant(
    piece: Method, compressor: dict, values: str
) -> None:
    books = Books(piece)
    play(described(piece, compressor, values), books.look)
    assert books.balanced == (ROUNDS + 1) * WORKERS


@pytest.mark.parametrize(
    ("piece", "compressor", "values"),
    [
        *((*case, "native") for case in CASES if estimates(case[0])),
        *((*case, "float32") for case in rounded(CASES) if estimates(case[0])),
    ],
    ids=name,
)
def test_the_master_knows_the_mean_of_what_the_workers_keep(
    piece: Method, compressor: dict, values: str
) -> None:
    played = play(described(piece, compressor, values))
    kept = [rank.state.estimate_of_gradient() for rank in played.host.ranks]
    # The last messages arrived, and no update was made of them.
    setup = played.experiment.setup
    update = played.node.state.aggregate(played.node._messages, setup.step(setup.rounds))
    played.node.iterate.advance(update, setup.step(setup.rounds))
    assert close(played.node.iterate.g, torch.stack(kept).mean(0))


def starts_with_nothing(piece: Method) -> bool:
    return getattr(piece, "init", None) == "zero"


def takes_whole_steps(piece: Method) -> bool:
    """Whether one message is meant to move x by all of γ∇f: by the paper, not by momentum."""
    return piece.name in REFERENCES and takes(piece, KINDS[0])


@over("methods", where=lambda p: takes_whole_steps(p) and not starts_with_nothing(p))
def test_a_gradient_that_fits_the_compressor_moves_x_by_all_of_it(piece: Method) -> None:
    """With nothing kept from before, one message of C(v) = v brings all of v."""
    gradient = torch.tensor([0.0, 3.0, 0.0, -1.0, 0.0], dtype=torch.float64)
    piece = opened(piece, 5)
    state = piece.worker(torch.zeros(5, dtype=torch.float64))
    iterate = piece.iterate(torch.zeros(5, dtype=torch.float64))
    step = Step(0, 0.5, 1, 0, 0)
    compression = Compression(build("compressors", KINDS[0]), torch.float64)
    others = len(state.queries(iterate.x, step)) - 1
    gradients = (gradient, *[torch.zeros_like(gradient)] * others)
    message = state.message(gradients, step, compression.at(step))
    update = piece.master(iterate.x, 1).aggregate({0: message}, step)
    iterate.advance(update, step)
    assert close(iterate.x, -0.5 * gradient)
