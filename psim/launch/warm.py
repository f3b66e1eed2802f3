"""What the warm parent imports once, so that its forks have it: torch and a worker's modules.

It must not make a ZeroMQ context, initialise CUDA, or run a threaded torch operation: a fork after
any of these may hang.
"""

from __future__ import annotations

import torch

import psim.runtime.work

__all__ = ["psim", "torch"]
