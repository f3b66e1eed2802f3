"""What the warm parent imports once for all its forks: torch, numba, scipy and a worker's
modules. It calls compiled code once, too.

It must not make a ZeroMQ context, initialise CUDA, or run a threaded torch operation: a fork after
any of these may hang.
"""

from __future__ import annotations

import numba
import scipy.linalg
import scipy.sparse
import sklearn.datasets
import torch

import psim.runtime.work
from psim.kernels import warm
from psim.wire import kernel

warm.load()  # the first call of compiled code takes half a second, whatever it does
kernel.load()

__all__ = ["numba", "psim", "scipy", "sklearn", "torch"]
