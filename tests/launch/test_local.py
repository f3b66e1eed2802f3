"""The warm parent and its forks."""

import os
import subprocess
import sys

import pytest

from psim.launch import local, pages
from psim.launch.local import LocalWorkers, shares

FORKED = """
from psim.launch.local import context, fork, warm_up

def tell(pipe):
    from psim.data import read
    pipe.send(sorted(key[:2] for key in read._kept))

if __name__ == "__main__":
    warm_up({named!r})
    here, there = context().Pipe(duplex=False)
    process = fork(tell, there)
    print(here.recv())
    process.join()
"""


@pytest.mark.parametrize(
    ("workers", "processes", "counts"),
    [(4, 1, [4]), (4, 4, [1, 1, 1, 1]), (5, 2, [3, 2]), (20, 3, [7, 7, 6]), (1, 1, [1])],
)
def test_ranks_are_shared_evenly(workers, processes, counts):
    assert shares(workers, processes) == counts


def test_nothing_was_started():
    workers = LocalWorkers()
    workers.watch()
    workers.end()
    assert workers.processes == []


def test_only_the_first_warm_parents_start_touches_the_environment(monkeypatch):
    """Threads of somebody's own program may be reading it."""
    monkeypatch.delenv(pages.TORCH, raising=False)
    monkeypatch.setattr(local, "_STARTED", set())
    seen = []
    monkeypatch.setattr(
        local.forkserver, "ensure_running", lambda: seen.append(os.environ.get(pages.TORCH))
    )
    local.warm_up()
    local.warm_up()
    assert seen == ["1", None]
    assert pages.TORCH not in os.environ


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "kept"),
    [
        (("breast_cancer", 33), [("breast_cancer", 33)]),
        (("nowhere.txt", None), []),  # for the master to complain of
        (("breast_cancer", "many"), []),
        (None, []),
    ],
)
def test_forks_have_the_rows_that_were_named_in_common(tmp_path, named, kept):
    (tmp_path / "script.py").write_text(FORKED.format(named=named))
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PSIM_DATA"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (f"{kept}\n", "")
