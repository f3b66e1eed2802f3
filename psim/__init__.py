"""psim: a parameter-server emulator for communication-compressed distributed training.

``psim.run(config)`` runs an experiment, ``psim.load(folder)`` reads one back, and
``psim.TorchProblem`` brings a network to train. All are imported at first use, so that
``import psim`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psim.launch.api import run as run
    from psim.problems.learning.given import TorchProblem
    from psim.report.load import load as load

__all__ = ["TorchProblem", "load", "run"]


def __getattr__(name: str) -> object:
    if name == "run":
        from psim.launch.api import run

        return run
    if name == "load":
        from psim.report.load import load

        return load
    if name == "TorchProblem":
        from psim.problems.learning.given import TorchProblem

        return TorchProblem
    raise AttributeError(f"module 'psim' has no attribute {name!r}")
