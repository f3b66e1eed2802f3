"""summary.json: what a run came to."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from psim.experiment import Experiment
from psim.nodes.outcome import Outcome
from psim.nodes.rows import Row

LIBRARIES = ("psim", "torch", "numpy", "scipy", "pyzmq", "msgpack")


LISTED = 1_000
"""Workers up to which every one has its number in lists of summary.json."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. ``status``: done, diverged, interrupted or failed."""

    status: str
    reason: str | None = None


def summary(
    experiment: Experiment,
    ending: Ending,
    outcome: Outcome | None,
    last: Row | None,
    best: Mapping[str, float] | None = None,
) -> dict[str, object]:
    """The whole of summary.json; what an unfinished run does not have is null."""
    config = experiment.config
    account = None if outcome is None else outcome.account
    listed = config.workers <= LISTED
    return {
        "status": ending.status,
        "reason": ending.reason,
        "stopped_by": None if outcome is None else outcome.finish.stopped_by,
        "name": config.name,
        "rounds": None if last is None else last["round"],
        "workers": config.workers,
        "size": experiment.setup.size,
        "start_bits": None if account is None else account.start_bits,
        "finish_bits": None if account is None else account.finish_bits,
        "finish_time": None if outcome is None else outcome.finish.instant,
        "theory": experiment.constants if listed else {**experiment.constants, "L_i": None},
        "f_star": experiment.f_star,
        "final": last,
        "best": dict(best) if best else None,
        "bytes": None if account is None else account.ledger.summary(),
        "framed_per_worker": account.ledger.per_worker() if account and listed else None,
        "audit": None if outcome is None else outcome.audit,
        "lag": None if outcome is None else outcome.lag,
        "participation": None if outcome is None else asdict(outcome.attendance),
        "audit_reason": ending.reason if outcome is None else outcome.audit_reason,
        "memory": None if outcome is None else outcome.memory,
        "x_sha256": None if outcome is None else _digest(outcome),
        "data_sha256": experiment.problem.fingerprint,
        "data_note": experiment.problem.note or None,
        "environment": environment(),
    }


def environment() -> dict[str, object]:
    """What the run ran on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "byteorder": sys.byteorder,
        **{name: _version(name) for name in LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _digest(outcome: Outcome) -> str:
    return hashlib.sha256(outcome.x.contiguous().numpy().data).hexdigest()
