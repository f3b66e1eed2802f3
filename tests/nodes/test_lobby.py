import pytest

from psim.errors import PeerError, WireError
from psim.nodes.lobby import Lobby, failure, refusal, span
from psim.wire.messages import Control, Kind

READY = Control(Kind.READY)


def hello(count: object = 1, **fields: object) -> Control:
    return Control(Kind.HELLO, {"protocol": 1, "count": count, "host": "h", "pid": 7, **fields})


def test_ranks_are_given_in_order_of_arrival() -> None:
    lobby = Lobby(6, {"size": 10})
    first = lobby.receive(b"a", hello(2))
    second = lobby.receive(b"b", hello(1))
    third = lobby.receive(b"c", hello(3))
    assert [answer.kind for answer in (first, second, third)] == [Kind.WELCOME] * 3
    given = [(answer.fields["first"], answer.fields["count"]) for answer in (first, second, third)]
    assert given == [(0, 2), (2, 1), (3, 3)]
    assert first.fields["size"] == 10, "and the terms of the run"


def test_it_is_complete_once_all_have_loaded() -> None:
    lobby = Lobby(3, {})
    lobby.receive(b"a", hello(2))
    assert lobby.receive(b"a", READY) is None
    assert not lobby.complete
    lobby.receive(b"b", hello(1))
    assert not lobby.complete
    lobby.receive(b"b", READY)
    assert lobby.complete


def test_a_host_that_offers_too_many_is_told_how_many_fit() -> None:
    lobby = Lobby(3, {})
    lobby.receive(b"a", hello(2))
    answer = lobby.receive(b"b", hello(2))
    assert answer.kind is Kind.REFUSE
    assert "2 ranks were offered and 1 of 3 are free" in answer.fields["reason"]
    assert "use --count 1" in answer.fields["reason"]
    assert lobby.receive(b"c", hello(1)).fields["first"] == 2, "the place is still free"


def test_a_worker_too_many_is_told_so() -> None:
    lobby = Lobby(1, {})
    lobby.receive(b"a", hello())
    answer = lobby.receive(b"b", hello())
    assert answer.kind is Kind.REFUSE
    assert "this run has all its workers" in answer.fields["reason"]
    assert list(lobby.guests) == [b"a"]


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "1", None, [1]])
def test_a_hello_that_offers_no_count_is_nonsense(count: object) -> None:
    lobby = Lobby(3, {})
    with pytest.raises(WireError):
        lobby.receive(b"a", hello(count))
    assert not lobby.guests
    assert lobby.given == 0


def test_a_hello_without_fields_is_nonsense() -> None:
    with pytest.raises(WireError):
        Lobby(3, {}).receive(b"a", Control(Kind.HELLO))


def test_nobody_says_hello_twice() -> None:
    lobby = Lobby(3, {})
    lobby.receive(b"a", hello())
    with pytest.raises(WireError):
        lobby.receive(b"a", hello())
    assert lobby.given == 1


@pytest.mark.parametrize("kind", [Kind.READY, Kind.BYE, Kind.FAILED, Kind.REFUSE, Kind.WELCOME])
def test_a_stranger_says_hello_first(kind: Kind) -> None:
    with pytest.raises(WireError, match="said no hello"):
        Lobby(3, {}).receive(b"a", Control(kind, {"reason": "x"}))


@pytest.mark.parametrize("kind", [Kind.BYE, Kind.CLOSE, Kind.GOODBYE, Kind.WELCOME])
def test_a_guest_has_nothing_else_to_say(kind: Kind) -> None:
    lobby = Lobby(3, {})
    lobby.receive(b"a", hello())
    with pytest.raises(WireError):
        lobby.receive(b"a", Control(kind))


@pytest.mark.parametrize(("code", "exit_code"), [(2, 2), (1, 1), ("2", 1), (None, 1), (0, 1)])
@pytest.mark.parametrize("kind", [Kind.REFUSE, Kind.FAILED])
def test_a_guest_that_cannot_take_part_is_named_with_its_reason(
    kind: Kind, code: object, exit_code: int
) -> None:
    lobby = Lobby(4, {})
    lobby.receive(b"a", hello(2, host="box", pid=99))
    complaint = Control(kind, {"reason": "no such\n file ", "code": code})
    with pytest.raises(PeerError, match=r"ranks 0-1 on box \(pid 99\): no such file$") as raised:
        lobby.receive(b"a", complaint)
    assert raised.value.exit_code == exit_code


def test_a_reason_of_any_length_is_cut() -> None:
    for made in (refusal("x" * 10_000), failure("x" * 10_000, 1)):
        assert len(made.fields["reason"]) == 2000
    lobby = Lobby(1, {})
    lobby.receive(b"a", hello(host="h" * 10_000))
    with pytest.raises(PeerError) as raised:
        lobby.receive(b"a", Control(Kind.FAILED, {"reason": "y" * 10_000}))
    assert len(str(raised.value)) < 2500


def test_it_says_what_it_waits_for() -> None:
    lobby = Lobby(4, {})
    assert lobby.awaited() == "0 of 4 workers came"
    lobby.receive(b"a", hello(3))
    assert lobby.awaited() == "3 of 4 workers came, 3 of them are still loading their data"
    lobby.receive(b"a", READY)
    assert lobby.awaited() == "3 of 4 workers came"


def test_ranks_in_words() -> None:
    assert span(range(3, 4)) == "rank 3"
    assert span(range(10)) == "ranks 0-9"
