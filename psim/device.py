"""The device on which a process computes."""

from __future__ import annotations

from psim.errors import ConfigError
from psim.vectors import torch

KINDS = ("cpu", "cuda", "mps")


def device(name: str) -> torch.device:
    """The device of that name: cpu, cuda, cuda:1, mps. Raises ConfigError where there is none."""
    try:
        found = torch.device(name)
    except RuntimeError:
        raise _unknown(name) from None
    if found.type not in KINDS:
        raise _unknown(name)
    try:
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # Without a back end torch lists all those that it has: the first sentence says it.
        reason = str(error).strip().splitlines()[0].partition(". ")[0].rstrip(".")
        raise ConfigError(f"--device {name}: {reason}: use --device cpu") from None
    return found


def _unknown(name: str) -> ConfigError:
    return ConfigError(f"--device {name}: is none of cpu, cuda, cuda:1, mps: use --device cpu")
