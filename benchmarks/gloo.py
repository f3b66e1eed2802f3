"""The other side of the comparisons: collectives of torch.distributed over gloo on loopback."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

Collective = Callable[[torch.Tensor, int, int], None]


def all_reduce(vector: torch.Tensor, rank: int, ranks: int) -> None:
    """The sum over all ranks, everywhere."""
    del rank, ranks
    dist.all_reduce(vector)


def broadcast_and_gather(vector: torch.Tensor, rank: int, ranks: int) -> None:
    """A parameter server's round: x to all, and all of theirs to rank 0."""
    dist.broadcast(vector, 0)
    into = [torch.empty_like(vector) for _ in range(ranks)] if rank == 0 else None
    dist.gather(vector, into, 0)


def seconds(collective: Collective, ranks: int, size: int, times: int) -> float:
    """The median seconds of a collective over ``size`` floats in so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_rank, (collective, ranks, size, times, folder), nprocs=ranks)
        return float(Path(folder, "median").read_text())


def _rank(
    rank: int, collective: Collective, ranks: int, size: int, times: int, folder: str
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=ranks)
    vector = torch.ones(size)
    taken = []
    for _ in range(times + 2):
        dist.barrier()
        began = time.perf_counter()
        collective(vector, rank, ranks)
        taken.append(time.perf_counter() - began)
    if rank == 0:
        Path(folder, "median").write_text(str(statistics.median(taken[2:])))
    dist.destroy_process_group()
