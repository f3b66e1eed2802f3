"""A host that computes its ranks together: what it reports of their time, and whom it answers."""

from itertools import count

import pytest
from playing import OPENER

from psim import hosts
from psim.config import parse
from psim.errors import WireError
from psim.experiment import prepare
from psim.nodes.table_host import TableHost
from psim.nodes.worker import WorkerHost
from psim.vectors import Dense, torch
from psim.wire.decode import decode
from psim.wire.encode import encode
from psim.wire.messages import Kind, Packet

SIZE = 6
DOCUMENT = {
    "rounds": 9,
    "workers": 5,
    "problem": {"name": "quadratic", "dimension": SIZE},
    "method": "ef21",
    "compressor": {"name": "topk", "k": 1},
    "step_size": 0.1,
}


def hosted(ranks, stopwatch=float, measured=False):
    experiment = prepare(parse(DOCUMENT), OPENER)
    return hosts.host(experiment.setup, experiment.problem, ranks, stopwatch, measured)


def told(host, round, rank=0):
    """What each rank reports when it is sent a model."""
    model = Dense(torch.full((SIZE,), float(round), dtype=torch.float64))
    sent = host.receive(encode(Packet(Kind.MODEL, round, rank, (model,))).all())
    packets = [decode(answer.all(), host.expected)[0] for _, answer in sent]
    return {packet.rank: packet.compute for packet in packets}


def test_one_rank_a_round_works_by_itself_and_is_credited_with_that():
    ticks = count()
    host = hosted(range(1, 4), lambda: float(next(ticks)) ** 2, measured=True)
    before = told(host, 0)
    assert sorted(before) == [1, 2, 3]
    assert len(set(before.values())) == 3, "at first each works by itself"
    for round in range(1, 5):
        after = told(host, round)
        assert [rank for rank in after if after[rank] != before[rank]] == [1 + round % 3]
        before = after


def test_where_nothing_is_measured_nothing_is_reported():
    assert set(told(hosted(range(3)), 0).values()) == {0.0}


def test_ranks_that_are_addressed_one_by_one_answer_so():
    host = hosted(range(3))
    assert sorted(told(host, 0, rank=2)) == [1]
    assert sorted(told(host, 0)) == [0, 2]
    with pytest.raises(WireError, match="MODEL of round 0"):
        told(host, 0)


def test_nothing_is_kept_back_that_could_be_collected():
    host = hosted(range(3))
    told(host, 0)
    with pytest.raises(WireError, match="COLLECT"):
        list(host.receive(encode(Packet(Kind.COLLECT, 0)).all()))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("indices", ["raw", "auto"])
@pytest.mark.parametrize("k", [1, 2, SIZE])
@pytest.mark.parametrize("method", ["ef21", "ef", "dcgd", {"name": "ef21", "downlink": "update"}])
def test_the_bytes_are_those_of_rank_by_rank(method, k, indices, count):
    changes = {"method": method, "compressor": {"name": "topk", "k": k}}
    experiment = prepare(parse({**DOCUMENT, **changes, "wire": {"indices": indices}}), OPENER)
    setup, problem = experiment.setup, experiment.problem
    together = hosts.host(setup, problem, range(1, 1 + count), float, False)
    assert isinstance(together, TableHost)
    alone = WorkerHost(setup, {rank: problem.share(rank) for rank in range(1, 1 + count)}, float)
    draws = torch.Generator().manual_seed(0)
    for round in range(5):
        model = torch.randn(SIZE, generator=draws, dtype=torch.float64)
        if round % 3 == 2:
            model[0] = 0.1 * model[1]  # a frame like the others, but for its numbers
        kind, payload = Kind.MODEL, Dense(model)
        if round and setup.method.downlink == "update":
            kind = Kind.UPDATE
        frames = encode(Packet(kind, round, 0, (payload,))).all()
        mine, others = (list(host.receive(frames)) for host in (together, alone))
        assert [(rank, answer.all(), answer.size) for rank, answer in mine] == [
            (rank, answer.all(), answer.size) for rank, answer in others
        ]
