"""The rows of rounds.jsonl."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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

Floats = NDArray[np.float64]
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


@dataclass(slots=True)
class Sums:
    """Sums of the ranks' diagnostics over ``count`` ranks, added in rank order."""

    count: int = 0
    loss: float = 0.0
    distortion: float = 0.0
    error_norm_sq: float = 0.0
    total_error: float = 0.0
    gradient: torch.Tensor | None = None
    tests: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """The next rank's."""
        self.count += 1
        self.loss += answer.loss
        self.distortion += answer.distortion
        self.error_norm_sq += answer.error_norm_sq
        self.total_error += answer.total_error
        if answer.gradient is not None:
            if self.gradient is None:
                self.gradient = torch.zeros_like(answer.gradient)
            self.gradient += answer.gradient
        if answer.test is not None:
            self.tests.append(answer.test)

    def add_table(self, numbers: Floats, gradients: Floats | None) -> None:
        """The next ranks', one a row: ``numbers`` are losses, distortions, squared norms of errors
        and their sums, shape (ranks, 4); ``gradients`` have shape (ranks, d).
        """
        self.count += len(numbers)
        before = (self.loss, self.distortion, self.error_norm_sq, self.total_error)
        sums = _added(np.array(before), numbers)
        self.loss, self.distortion, self.error_norm_sq, self.total_error = sums.tolist()
        if gradients is not None:
            if self.gradient is None:
                self.gradient = torch.zeros(gradients.shape[1], dtype=torch.float64)
            self.gradient = torch.from_numpy(_added(self.gradient.numpy(), gradients))

    def mean(self, total: float) -> float | None:
        """(1/n) of a sum; None where it is not finite."""
        return _finite(total / self.count)

    def gradient_norm_sq(self) -> float | None:
        """‖(1/n) Σ ∇f_i‖²."""
        if self.gradient is None:
            return None
        return _finite(squared_norm(self.gradient / self.count))


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of round t once its messages and diagnostics are there: ``losses`` of
    minibatches by rank, what the method ``observed`` in the messages, and the diagnostics' sums.
    """

    losses: Mapping[int, float]
    observed: Mapping[str, float]
    sums: Sums
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
    sums = found.sums
    losses = [found.losses[rank] for rank in sorted(found.losses)]
    loss = sums.mean(sums.loss)
    counted, nnz = event.counted, messages.nnz
    return {
        "round": round,
        "epoch": None if setup.per_epoch is None else round / setup.per_epoch,
        "time": event.time,
        "wall": event.wall,
        "train_loss": _mean(losses) if losses else None,
        **_tested(sums.tests, setup.task),
        "loss": loss,
        "grad_norm_sq": sums.gradient_norm_sq(),
        "suboptimality": None if f_star is None or loss is None else loss - f_star,
        "distortion": sums.mean(sums.distortion),
        "error_norm_sq": sums.mean(sums.error_norm_sq),
        "total_error": sums.mean(sums.total_error),
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


def _added(total: Floats, table: Floats) -> Floats:
    """The total and all rows of the table, one after the other."""
    sums: Floats = np.add.accumulate(np.vstack([total, table]), axis=0)[-1]
    return sums.copy()


def _levels(setup: Setup, observed: Mapping[str, float]) -> dict[str, float | None]:
    """The level of each layer, where a method has levels and more than one layer: fields that other
    runs do not have. Those of layers that are not told apart are `level`.
    """
    if not setup.traits.uplink.by_layer or setup.layers == 1:
        return {}
    names = [f"level_{layer}" for layer in range(setup.layers)]
    return {name: observed.get(name, observed.get("level")) for name in names}


def _tested(parts: list[tuple[float, float, float]], task: Task | None) -> dict[str, float | None]:
    """What the ranks' parts of the test set say together."""
    columns = zip(*parts, strict=True)
    loss, score, count = (math.fsum(column) for column in columns) if parts else _NO
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


def _mean(ranked: list[float]) -> float | None:
    """(1/n) Σ in rank order; None where it is not finite."""
    total = 0.0
    for value in ranked:
        total += value
    return _finite(total / len(ranked))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
