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
PAGES = 4 * SIZE // resource.getpagesize()


def faults() -> int:
    """Fresh pages that the kernel mapped while a vector was made, the one before it freed."""
    torch.ones(SIZE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(SIZE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.fixture
def small_pages() -> None:
    if faults() < PAGES // 2:
        pytest.skip("this kernel maps large pages by itself")


@pytest.mark.usefixtures("small_pages")
def test_the_next_long_vector_needs_no_fresh_pages() -> None:
    with heap.kept(SIZE):
        assert faults() < PAGES // 100
    assert faults() > PAGES // 2
    with heap.kept(heap.LONG - 1):
        assert faults() > PAGES // 2
