"""Large pages for long vectors.

Fresh memory is mapped at its first touch, 4 kB at a time: for a vector of 46 MB that takes five
times as long as copying what will be in it. Most Linux systems map 2 MB at a time where a program
asks for it (transparent huge pages, ``madvise``). torch and glibc do so where an environment
variable says it: torch reads it at its first allocation, glibc (2.35 or newer) before a program
begins. A process can have the first for itself, and both for those that it starts. Others don't
read these variables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

TORCH, GLIBC = "THP_MEM_ALLOC_ENABLE", "GLIBC_TUNABLES"
_TUNABLE = "glibc.malloc.hugetlb"


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """What asks for large pages, beside what the environment has ``given``, which stays."""
    tunables = [each for each in given.get(GLIBC, "").split(":") if each]
    if not any(each.startswith(f"{_TUNABLE}=") for each in tunables):
        tunables.append(f"{_TUNABLE}=1")
    return {TORCH: given.get(TORCH, "1"), GLIBC: ":".join(tunables)}


def ask() -> None:
    """For this process, as far as that goes, and those that it starts."""
    os.environ.update(variables(os.environ))


@contextmanager
def inherited() -> Iterator[None]:
    """For processes that are started inside."""
    before = {name: os.environ.get(name) for name in (TORCH, GLIBC)}
    ask()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
