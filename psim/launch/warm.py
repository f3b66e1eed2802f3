"""What the warm parent imports once for all its forks: torch, numba, scipy, a worker's modules and
psim's own pieces. It calls compiled code once, too, and finds the BLAS libraries.

It must not make a ZeroMQ context, initialise CUDA, or run a threaded torch operation: a fork after
any of these may hang.
"""

from __future__ import annotations

import gc

import numba
import scipy.linalg
import scipy.sparse
import sklearn.datasets
import torch

import psim.runtime.work
from psim.kernels import warm
from psim.registry import FAMILIES, shipped
from psim.threads import one_thread
from psim.wire import kernel

warm.load()  # the first call of compiled code takes half a second, whatever it does
kernel.load()
for family in FAMILIES.values():
    shipped(family)
with one_thread():
    pass
gc.collect()
gc.freeze()  # the forks' collectors then touch, and so copy, none of the pages that they share

__all__ = ["numba", "psim", "scipy", "sklearn", "torch"]
