"""What the warm parent imports once for all its forks: torch, scipy and a worker's modules.

It must not make a ZeroMQ context, initialise CUDA, or run a threaded torch operation: a fork after
any of these may hang.
"""

from __future__ import annotations

import scipy.linalg
import scipy.sparse
import sklearn.datasets
import torch

import psim.runtime.work

__all__ = ["psim", "scipy", "sklearn", "torch"]
