"""What the warm parent imports once for all its forks: torch, numba, scipy, a worker's modules and
psim's own pieces. It also calls compiled code once, finds the BLAS libraries, and reads data sets.

It must not make a ZeroMQ context, initialise CUDA, or run a threaded torch operation: a fork after
any of these may hang.
"""

# Imports are what this is about.
# ruff: noqa: E402

from __future__ import annotations

import gc
import json
import os
from contextlib import suppress

gc.disable()  # what is imported is no garbage, and to look for some takes a fifth of the time

import numba
import scipy.linalg
import scipy.sparse
import sklearn.datasets
import torch

import psim.runtime.work
from psim.data.read import keep_rows
from psim.errors import PsimError
from psim.kernels import warm
from psim.launch.local import ROWS
from psim.registry import FAMILIES, shipped
from psim.threads import one_thread
from psim.wire import kernel

warm.load()  # the first call of compiled code takes half a second, whatever it does
kernel.load()
for family in FAMILIES.values():
    shipped(family)
with one_thread():
    pass
for rows in json.loads(os.environ.get(ROWS, "[]")):
    with suppress(PsimError):  # the master says what is wrong with it
        keep_rows(*rows)
gc.enable()
gc.freeze()  # the forks' collectors then touch, and so copy, none of the pages that they share

__all__ = ["numba", "psim", "scipy", "sklearn", "torch"]
