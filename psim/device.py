"""The device on which a process computes."""

from __future__ import annotations

from psim.errors import ConfigError
from psim.vectors import torch


def device(name: str) -> torch.device:
    """The device of that name: cpu, cuda, cuda:1, mps. Raises ConfigError where there is none."""
    try:
        found = torch.device(name)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ConfigError(f"--device {name}: {reason}: use --device cpu") from None
    return found
