"""The fields of ``rounds.jsonl``: their types, and what they are called beside an axis.

A row may hold further numbers (a later metric, say); they are read as floats and are called by
their own names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from psim.errors import ConfigError, nearest
from psim.net.spent import PARTS


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a row. ``label`` is an axis label with its unit, and may hold mathtext."""

    label: str
    kind: Literal["int", "float"] = "float"
    log: bool = False
    """Whether it is read on a logarithmic axis: what falls to zero geometrically."""
    prefixed: bool = False
    """Whether ticks on a linear axis take SI prefixes: counts of bits and bytes."""


PART_NAMES = dict(
    zip(
        PARTS,
        (
            *("egress wait", "downlink transfer", "downlink latency", "computing"),
            *("uplink transfer", "uplink latency", "ingress wait"),
            *("wait for the slowest", "aggregation"),
        ),
        strict=True,
    )
)
"""What people call the parts of a round, in the order of the chain."""

FIELDS: dict[str, Field] = {
    "round": Field("round", "int"),
    "epoch": Field("epoch"),
    "time": Field("emulated time (s)"),
    "wall": Field("wall time (s)"),
    "train_loss": Field("mean loss of the minibatches"),
    "test_loss": Field("loss on the test set"),
    "test_accuracy": Field("accuracy on the test set"),
    "test_perplexity": Field("perplexity on the test set"),
    "hit_rate_10": Field("hit rate at 10 on the test set"),
    "loss": Field(r"loss $f(x^t)$"),
    "grad_norm_sq": Field(r"$\Vert\nabla f(x^t)\Vert^2$", log=True),
    "suboptimality": Field(r"$f(x^t) - f^\star$", log=True),
    "distortion": Field(r"distortion $G^t$", log=True),
    "error_norm_sq": Field(r"mean of $\Vert e_i^t\Vert^2$", log=True),
    "total_error": Field(r"total error: sum of the means of $\Vert e_i\Vert^2$", log=True),
    "plain": Field("share of workers on the plain branch"),
    "level": Field("share of layers at the high level"),
    "nnz": Field("values per message"),
    "density": Field(r"density $k_t/d$ of a message"),
    "up_bits": Field("uplink bits per worker", prefixed=True),
    "up_payload": Field("uplink payload, all workers (bytes)", "int", prefixed=True),
    "up_framed": Field("uplink with framing, all workers (bytes)", "int", prefixed=True),
    "down_payload": Field("downlink payload, all workers (bytes)", "int", prefixed=True),
    "down_framed": Field("downlink with framing, all workers (bytes)", "int", prefixed=True),
    "lag": Field("lag (s)"),
    "participants": Field("messages used"),
    "diagnostic_s": Field("time spent on diagnostics (s)"),
    **{
        f"{part}_{kind}": Field(f"{name}, {word} (s)")
        for part, name in PART_NAMES.items()
        for kind, word in (("mean", "mean"), ("max", "longest"))
    },
}
"""In the order of a row. ``up_bits`` and ``nnz`` are means over workers, hence floats."""


def field(name: str, known: Iterable[str]) -> Field:
    """What is known about the field ``name``; ConfigError where the rows have no such field."""
    names = list(known)
    if name not in names:
        raise ConfigError(f"{name!r} is no field of these runs; {nearest(name, names)}")
    return FIELDS.get(name, Field(name))
