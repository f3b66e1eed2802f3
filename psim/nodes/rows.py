"""The rows of rounds.jsonl."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psim.errors import WireError
from psim.methods.base import OBSERVED
from psim.net.spent import RoundTimes
from psim.nodes.account import Counted
from psim.vectors import Dense, squared_norm, torch
from psim.wire.messages import Packet

if TYPE_CHECKING:
    from psim.nodes.setup import Setup
    from psim.problems.examples import Task

TESTS = ("test_loss", "test_accuracy", "test_perplexity", "hit_rate_10")
LARGEST_EXPONENT = math.log(sys.float_info.max)
_NO = (0.0, 0.0, 0.0)

Row = dict[str, float | int | None]
Entry = Row | RoundTimes
"""What is recorded: a row of rounds.jsonl, or a round's lines of ranks.jsonl."""


@dataclass(frozen=True, slots=True)
class Event:
    """The master holds all that x^t needs and is about to broadcast it. ``participants``: from how
    many messages x^t was made.

    ``spent`` says where the time went of the rounds since the last row: `net.spent.Tally`.
    """

    time: float | None
    wall: float
    lag: float | None
    counted: Counted
    participants: int | None
    spent: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A rank's diagnostics at x^t; NaN where its method has no such quantity, and no gradient where
    f is not evaluated in this row.
    """

    loss: float
    distortion: float
    error_norm_sq: float
    total_error: float
    gradient: torch.Tensor | None
    test: tuple[float, float, float] | None = None
    """Sums of the loss and of the score over test examples, and how many these were."""

    @classmethod
    def of(cls, packet: Packet, complete: bool, tested: bool = False) -> Answer:
        """From the packet; ``complete``: with a gradient, ``tested``: with what a test says.
        WireError where it has another form.
        """
        gradients = [each.values for each in packet.payloads if isinstance(each, Dense)]
        if len(packet.payloads) != len(gradients) or len(gradients) != complete:
            raise WireError("a diagnostic has a gradient, densely, where the row is to have ∇f")
        due = 7 if tested else 4
        if len(packet.scalars) != due:
            raise WireError(f"a diagnostic has {due} numbers here, and not {len(packet.scalars)}")
        loss, distortion, error, total, *test = (float(scalar) for scalar in packet.scalars)
        gradient = gradients[0] if complete else None
        said = (test[0], test[1], test[2]) if tested else None
        return cls(loss, distortion, error, total, gradient, said)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of round t once its messages and diagnostics are there: ``losses`` of
    minibatches by rank, what the method ``observed`` in the messages, and the diagnostics.
    """

    losses: Mapping[int, float]
    observed: Mapping[str, float]
    answers: Mapping[int, Answer]
    diagnostic_s: float


def row(
    setup: Setup,
    round: int,
    event: Event,
    messages: Counted,
    found: Found,
    f_star: float | None,
) -> Row:
    """Row t: every field, null where it was not computed. Sums run in rank order. ``messages`` is
    the account whose bits and values per message are the row's.
    """
    ranked = [found.answers[rank] for rank in sorted(found.answers)]
    losses = [found.losses[rank] for rank in sorted(found.losses)]
    loss = _mean(answer.loss for answer in ranked)
    counted, nnz = event.counted, messages.nnz
    return {
        "round": round,
        "epoch": None if setup.per_epoch is None else round / setup.per_epoch,
        "time": event.time,
        "wall": event.wall,
        "train_loss": _mean(losses) if losses else None,
        **_tested(ranked, setup.task),
        "loss": loss,
        "grad_norm_sq": _gradient_norm_sq(ranked),
        "suboptimality": None if f_star is None or loss is None else loss - f_star,
        "distortion": _mean(answer.distortion for answer in ranked),
        "error_norm_sq": _mean(answer.error_norm_sq for answer in ranked),
        "total_error": _mean(answer.total_error for answer in ranked),
        **{name: found.observed.get(name) for name in OBSERVED},
        "participants": event.participants,
        "nnz": nnz,
        "density": None if nnz is None else nnz / setup.size,
        "up_bits": messages.bits,
        "up_payload": counted.up_payload,
        "up_framed": counted.up_framed,
        "down_payload": counted.down_payload,
        "down_framed": counted.down_framed,
        "lag": event.lag,
        "diagnostic_s": found.diagnostic_s,
        **event.spent,
        **_levels(setup, found.observed),
    }


def _levels(setup: Setup, observed: Mapping[str, float]) -> dict[str, float | None]:
    """The level of each layer, where a method has levels and more than one layer: fields that other
    runs do not have. Those of layers that are not told apart are `level`.
    """
    if not setup.traits.uplink.by_layer or setup.layers == 1:
        return {}
    names = [f"level_{layer}" for layer in range(setup.layers)]
    return {name: observed.get(name, observed.get("level")) for name in names}


def _tested(ranked: list[Answer], task: Task | None) -> dict[str, float | None]:
    """What the ranks' parts of the test set say together."""
    sums = [answer.test for answer in ranked if answer.test is not None]
    loss, score, count = (math.fsum(column) for column in zip(*sums, strict=True)) if sums else _NO
    if not count:
        return dict.fromkeys(TESTS)
    mean, share = _finite(loss / count), score / count
    return {
        "test_loss": mean,
        "test_accuracy": share if task == "classification" else None,
        "test_perplexity": _exp(mean) if task == "language" else None,
        "hit_rate_10": share if task == "ranking" else None,
    }


def _exp(value: float | None) -> float | None:
    """e^value; None beyond what a float holds."""
    return None if value is None or value > LARGEST_EXPONENT else math.exp(value)


def _mean(values: Iterable[float]) -> float | None:
    """(1/n) Σ in rank order; None where it is not finite."""
    ranked = list(values)
    total = 0.0
    for value in ranked:
        total += value
    return _finite(total / len(ranked))


def _gradient_norm_sq(ranked: list[Answer]) -> float | None:
    """‖(1/n) Σ ∇f_i‖²."""
    gradients = [answer.gradient for answer in ranked if answer.gradient is not None]
    if not gradients:
        return None
    total = torch.zeros_like(gradients[0])
    for gradient in gradients:
        total += gradient
    return _finite(squared_norm(total / len(ranked)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
