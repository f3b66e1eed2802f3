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

from psim.runtime.garbage import DEFAULT, IMPORTING

gc.set_threshold(*IMPORTING)

import numba
import scipy.linalg
import scipy.sparse
import sklearn.datasets
import torch

import psim.runtime.work
from psim.data.read import keep_rows
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
if ROWS in os.environ:
    with suppress(Exception):  # the master, which reads them too, says what is wrong
        keep_rows(*json.loads(os.environ[ROWS]))
gc.set_threshold(*DEFAULT)
gc.freeze()  # the forks' collectors then touch, and so copy, none of the pages that they share

__all__ = ["numba", "psim", "scipy", "sklearn", "torch"]
