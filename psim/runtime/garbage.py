"""Python's cycle collector, kept from what was there before the rounds.

Every few hundred new containers it looks at the young ones, and now and then at all: with torch and
a data set loaded these are half a million, a tenth of the time of small rounds.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

DEFAULT = (700, 10, 10)
"""Python's thresholds."""
IMPORTING = (50_000, 20, 50)
"""Thresholds while modules are imported, which makes no garbage: with Python's own, looking for it
takes a fifth of the time.
"""


@contextmanager
def left_alone() -> Iterator[None]:
    """Inside, what is there now is not looked at; what is made later is, as always."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*map(min, before, DEFAULT))
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
