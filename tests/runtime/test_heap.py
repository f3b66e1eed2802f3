"""Free memory is kept for the next long vector, and let go of afterwards."""

import ctypes
import resource

import pytest
import torch

from psim.runtime import heap

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no such settings"
)

SIZE = 3 * heap.LONG
SETTLED = 30
"""Vectors after which the heap has room for the next one: it took 8 to 10."""
PAGES = 4 * SIZE // resource.getpagesize()


def faults(vectors: int = 2) -> int:
    """Fresh pages that the kernel mapped while the last of some vectors was made; those before it
    are freed by then.
    """
    before = 0
    for _ in range(vectors):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(SIZE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.fixture
def small_pages() -> None:
    if faults() < PAGES // 2:
        pytest.skip("this kernel maps large pages by itself")


@pytest.mark.usefixtures("small_pages")
def test_in_the_end_the_next_long_vector_needs_no_fresh_pages() -> None:
    with heap.kept(SIZE):
        assert faults(SETTLED) < PAGES // 100
    assert faults() > PAGES // 2
    with heap.kept(heap.LONG - 1):
        assert faults() > PAGES // 2
