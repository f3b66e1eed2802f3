"""What is booked later is booked in full, whenever that is."""

import numpy as np
import pytest

from psim.nodes import account
from psim.nodes.account import Account, Weights

WORKERS, MTU = 5, 1500


@pytest.mark.parametrize("most", [0, 7, 1 << 16])
def test_it_does_not_matter_when_messages_are_booked(monkeypatch, most):
    monkeypatch.setattr(account, "UNBOOKED", most)
    books = Account(WORKERS, MTU, starts=True)
    own = [0] * WORKERS
    for round in range(6):
        ranks = np.arange(round % 2, WORKERS)
        payload = 100 + 300 * (ranks % 2) + round
        framed = payload + np.where(payload > 255, 9, 2)
        books.together(Weights(ranks, payload, framed, 32 * len(ranks), len(ranks)), round)
        books.close(round)
        for rank, nbytes in zip(ranks.tolist(), framed.tolist(), strict=True):
            own[rank] += nbytes if round else 0
    assert books.ledger.per_worker()["up"]["message"] == own
    assert books.ledger.total("up", "message").framed == sum(own)
    assert books.ledger.total("up", "start").messages == WORKERS
    reports = books.ledger.total("up", "diagnostic")
    assert (reports.messages, reports.payload) == (27, 27 * 16)
    assert books.counted().up_framed == sum(own) + books.ledger.total("up", "start").framed
