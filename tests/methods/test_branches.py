"""EF21+ takes either branch in any order, and the master follows."""

import numpy as np
import pytest
import torch

from psim.compressors.topk import TopK
from psim.methods import ef21_plus
from psim.methods.ef21_plus import EF21Plus
from psim.nodes.compression import Compression
from psim.step import Step
from psim.vectors import Dense, densify

SIZE, WORKERS, ROUNDS = 4, 3, 60


def largest_drift() -> float:
    """How far the master's g gets from the mean of the g_i, on gradients that jump about."""
    draws = np.random.default_rng(0)
    zero = torch.zeros(SIZE, dtype=torch.float64)
    method = EF21Plus()
    iterate, master = method.iterate(zero.clone()), method.master(zero, WORKERS)
    states = [method.worker(zero) for _ in range(WORKERS)]
    compressions = [Compression(TopK(k=1), torch.float64) for _ in range(WORKERS)]
    twice_running, before, drift = 0, np.zeros(WORKERS, dtype=bool), 0.0
    for t in range(ROUNDS):
        messages = {}
        for rank, state in enumerate(states):
            gradient = torch.from_numpy(draws.standard_normal(SIZE))
            step = Step(t, 0.1, WORKERS, 0, rank)
            messages[rank] = state.message((gradient,), step, compressions[rank].at(step))
        flags = np.array([messages[rank].scalars["plain"] for rank in range(WORKERS)])
        twice_running, before = twice_running + int(np.sum(before & flags)), flags
        iterate.advance(master.aggregate(messages, Step(t, 0.1, WORKERS, 0)), Step(t, 0.1, 3, 0))
        mean = torch.stack([state.estimate for state in states]).mean(0)
        drift = max(drift, float((iterate.g - mean).norm()))
    assert twice_running > 5, "the plain branch twice in a row is the hard case"
    return drift


def test_the_masters_g_stays_the_mean_of_the_workers() -> None:
    assert largest_drift() < 1e-13


def test_a_master_that_forgets_what_it_replaced_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(self, rank, message):
        payload, estimate = message.payloads["c"], self.estimates[rank]
        if not message.scalars["plain"]:
            estimate[payload.indices] += payload.values
            return payload
        return Dense(densify(payload, estimate.dtype) - estimate)

    monkeypatch.setattr(ef21_plus.PlusMaster, "_change", change)
    assert largest_drift() > 1e-3
