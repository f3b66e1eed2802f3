"""Messages that a master takes as tables: the same as one by one, and none that is not due."""

from math import nan

import pytest
from playing import OPENER

from psim.config import parse
from psim.errors import WireError
from psim.experiment import master, prepare
from psim.methods.stacked import Stacked
from psim.nodes.instructions import Broadcast
from psim.nodes.table_master import TableMaster
from psim.vectors import Dense, Shared, Sparse, torch
from psim.wire.encode import encode
from psim.wire.messages import Kind, Packet

WORKERS, SIZE = 4, 6
DOCUMENT = {
    "rounds": 5,
    "workers": WORKERS,
    "problem": {"name": "quadratic", "dimension": SIZE},
    "method": {"name": "ef21", "init": "zero"},
    "compressor": {"name": "topk", "k": 2},
    "step_size": 0.1,
    "compute": {"kind": "constant", "seconds": 0},
    "metrics": {"every": 5},
}


def sparse(rank, first=0):
    where = torch.tensor([first, 4])
    return Sparse(SIZE, where, torch.tensor([1.0 + rank, -2.0], dtype=torch.float64))


def frames(rank, payload, round=1):
    return encode(Packet(Kind.MESSAGE, round, rank, (payload,), (), 0.5, nan)).all()


def diagnosed(rank, round):
    gradient = Dense(torch.zeros(SIZE, dtype=torch.float64))
    return encode(Packet(Kind.DIAGNOSTIC, round, rank, (gradient,), (0.0,) * 4)).all()


def take(node, arrived):
    for each in arrived:
        node.receive(*each)


@pytest.fixture
def node():
    """A master that waits for the messages at x^1."""
    made = master(prepare(parse(DOCUMENT), OPENER), lambda: 0.0, lambda: 0.0)
    assert isinstance(made, TableMaster)
    made.begin()
    empty = Sparse(SIZE, torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.float64))
    for rank in range(WORKERS):
        made.receive(frames(rank, empty, 0), range(WORKERS))
    made.proceed()
    while made.round == 0:
        for rank in range(WORKERS):
            answer = Packet(
                Kind.DIAGNOSTIC, 0, rank, (Dense(torch.zeros(SIZE).double()),), (0.0,) * 4
            )
            made.receive(encode(answer).all(), range(WORKERS))
    assert made.awaited == set(range(WORKERS))
    return made


def test_hosts_are_taken_together_in_any_order(node, monkeypatch):
    monkeypatch.setattr(node, "_complete", list)
    first = [*frames(3, sparse(3)), *frames(2, sparse(2))]
    assert node.receive_together([(first, (2, 3))]) == []
    assert node.awaited == {0, 1}
    assert node.receive_together([(frames(1, sparse(1)), [1]), (frames(0, sparse(0)), [0])]) == []
    assert isinstance(node._messages, Stacked)
    assert list(node._messages) == [0, 1, 2, 3]
    for rank, message in node._messages.items():
        assert message.payloads["c"].values.tolist() == [1.0 + rank, -2.0]
        assert message.payloads["c"].indices.tolist() == [0, 4]
    up = node.account.ledger.total("up", "message")
    assert (up.messages, up.bits) == (WORKERS, WORKERS * 2 * 32)


def test_messages_of_other_forms_are_taken_as_they_are(node, monkeypatch):
    monkeypatch.setattr(node, "_complete", list)
    node.receive(frames(0, sparse(0)), range(WORKERS))
    node.receive(frames(1, Dense(torch.ones(SIZE).double())), range(WORKERS))
    node.receive([*frames(3, sparse(3)), *frames(2, sparse(2))], range(WORKERS))
    assert not isinstance(node._messages, Stacked)
    assert sorted(node._messages) == [0, 1, 2, 3]
    assert isinstance(node._messages[1].payloads["c"], Dense)
    assert node.account.ledger.total("up", "message").messages == WORKERS


def test_frames_of_two_peers_are_not_put_together_to_a_message(node):
    """Or the second could send in the name of rank 1, which is another's."""
    message, report = frames(0, sparse(0))
    other = [report, *frames(1, sparse(1))]
    before = set(node.awaited)
    assert node.receive_together([([message], [2]), (other, [0])]) is None
    assert node.awaited == before


@pytest.mark.parametrize(
    ("arrived", "why"),
    [
        ([(frames(0, sparse(0)), [1])], "rank 0 was not due"),
        ([(frames(0, sparse(0)), [0]), (frames(0, sparse(0)), [0])], "rank 0 was not due"),
        ([([*frames(0, sparse(0)), *frames(0, sparse(0))], [0])], "rank 0 was not due"),
        ([(frames(0, sparse(0), 2), [0])], "of round 2"),
        ([(frames(0, sparse(0, 5)), [0])], "do not increase"),
        ([(frames(0, sparse(0))[:1], [0])], "without its report"),
        ([([*frames(0, sparse(0)), b"more"], [0, 1])], "no psim message"),
        ([([], [0])], "no psim message"),
        ([(frames(0, Shared(SIZE, torch.ones(2).double())), [0])], "no rule"),
    ],
)
def test_what_is_not_due_is_left_to_be_refused(node, arrived, why):
    before = set(node.awaited)
    assert node.receive_together(arrived) is None
    assert node.awaited == before
    assert not node._tables
    with pytest.raises(WireError, match=why):
        take(node, arrived)


def test_a_question_is_answered_one_by_one(node, monkeypatch):
    """Diagnostics differ in size and form from rank to rank."""
    monkeypatch.setattr(node.setup.__class__, "due", lambda self, round: True)
    asked = node.receive([f for r in range(WORKERS) for f in frames(r, sparse(r))], range(WORKERS))
    instructions = [*asked, *node.proceed()]
    assert any(isinstance(each, Broadcast) for each in instructions)
    assert node._awaiting is Kind.DIAGNOSTIC
    assert node.receive_together([(diagnosed(0, 1), [0])]) is None
    assert node.receive(diagnosed(0, 1), [0]) == []
