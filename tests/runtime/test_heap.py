"""Free memory is kept for the next long vector, and let go of afterwards."""

import ctypes
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no such settings"
)

BLOCKS = """
import ctypes, json, resource
from psim.runtime import heap

SIZE = 3 * heap.LONG
PAGES = 4 * SIZE // resource.getpagesize()
SETTLED = 30  # blocks after which the heap has room for the next one: it took 8 to 10

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]

def fresh(blocks=2):
    for _ in range(blocks):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        block = libc.malloc(4 * SIZE)
        ctypes.memset(block, 1, 4 * SIZE)
        libc.free(block)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / PAGES

found = {"before": fresh()}
with heap.kept(SIZE):
    found["kept"] = fresh(SETTLED)
found["after"] = fresh()
with heap.kept(heap.LONG - 1):
    found["short"] = fresh()
print(json.dumps(found))
"""
"""Prints which share of a block's pages the kernel mapped anew while the last of some long blocks
was made. A process of its own: what other tests have left in the heap would serve for a block.
"""


@pytest.fixture(scope="module")
def fresh() -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, float] = json.loads(done.stdout)
    if found["before"] < 0.5:
        pytest.skip("this kernel maps large pages by itself")
    return found


def test_in_the_end_the_next_long_vector_needs_no_fresh_pages(fresh: dict[str, float]) -> None:
    assert fresh["kept"] < 0.01


def test_afterwards_free_memory_goes_back_to_the_kernel(fresh: dict[str, float]) -> None:
    assert fresh["after"] > 0.5


def test_short_vectors_change_nothing(fresh: dict[str, float]) -> None:
    assert fresh["short"] > 0.5
