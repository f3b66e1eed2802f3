"""Long vectors in large pages, where the kernel has them."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from psim.launch import pages
from psim.launch.pages import GLIBC, TORCH

ALLOWED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MALLOC = "glibc.malloc.hugetlb=1"
FORKED = """
import ctypes, resource
from psim.launch.local import context, fork

SIZE = 48 << 20

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def tell(pipe):
    import torch
    torch.set_num_threads(1)
    torch.ones(1)
    before = faults()
    vector = torch.ones(SIZE // 4)
    between = faults()
    libc = ctypes.CDLL(None)  # where ZeroMQ has its frames from
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    ctypes.memset(libc.malloc(SIZE), 1, SIZE)
    pages = SIZE / resource.getpagesize()
    pipe.send(((between - before) / pages, (faults() - between) / pages))

if __name__ == "__main__":
    here, there = context().Pipe(duplex=False)
    process = fork(tell, there)
    print(*here.recv())
    process.join()
"""


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, {TORCH: "1", GLIBC: MALLOC}),
        ({GLIBC: ""}, {TORCH: "1", GLIBC: MALLOC}),
        ({TORCH: "0", "PATH": "/bin"}, {TORCH: "0", GLIBC: MALLOC}),
        (
            {GLIBC: "glibc.malloc.check=3"},
            {TORCH: "1", GLIBC: f"glibc.malloc.check=3:{MALLOC}"},
        ),
        ({GLIBC: "glibc.malloc.hugetlb=2"}, {TORCH: "1", GLIBC: "glibc.malloc.hugetlb=2"}),
    ],
)
def test_what_is_set_already_stays(given: dict[str, str], asked: dict[str, str]) -> None:
    assert pages.variables(given) == asked


def test_only_what_is_started_inside_inherits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TORCH, raising=False)
    monkeypatch.setenv(GLIBC, "glibc.malloc.check=3")
    with pages.inherited():
        assert os.environ[TORCH] == "1"
        assert os.environ[GLIBC].endswith(MALLOC)
    assert TORCH not in os.environ
    assert os.environ[GLIBC] == "glibc.malloc.check=3"


@pytest.mark.slow
def test_workers_map_long_vectors_and_frames_in_large_pages(tmp_path: Path) -> None:
    if not ALLOWED.exists() or "[never]" in ALLOWED.read_text():
        pytest.skip("this kernel has no transparent huge pages, or is told to use none")
    name, version = platform.libc_ver()
    if name != "glibc" or tuple(map(int, version.split("."))) < (2, 35):
        pytest.skip(f"{name or 'this C library'} {version} can't be asked for large pages")
    (tmp_path / "script.py").write_text(FORKED)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    vector, frame = map(float, done.stdout.split())
    # The kernel may lack a free large page here and there.
    assert vector < 0.5
    assert frame < 0.5
