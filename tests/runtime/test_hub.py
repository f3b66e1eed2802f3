"""The master's socket among strangers, and peers that come and go."""

import os
import socket

import pytest
import zmq
from processes import until

from psim.errors import ConfigError, PeerError, RoundTimeout
from psim.runtime import frames, tcpinfo
from psim.runtime.hub import Hub
from psim.runtime.line import Line
from psim.wire.encode import Encoded
from psim.wire.layout import LARGEST_CONTROL
from psim.wire.size import measure


def message(frame: bytes) -> Encoded:
    return Encoded([frame], measure([frame]))


@pytest.fixture
def hub():
    made = Hub("tcp://127.0.0.1:*")
    yield made
    made.close()


@pytest.fixture
def lines(hub):
    made = []

    def line() -> tuple[Line, bytes]:
        """A line that has said something, and its name at the hub."""
        made.append(Line(hub.address))
        made[-1].wait_connected(10)
        made[-1].send(message(b"hello"))
        arrived = hub.receive(10)
        assert arrived is not None
        return made[-1], arrived[0]

    yield line
    for each in made:
        each.close()


def test_a_departure_is_noticed_once(hub, lines):
    line, peer = lines()
    assert hub.departures() == []
    line.close()
    assert until(hub.departures, "a departure") == [peer]
    assert hub.departures() == []
    assert hub.connections[peer].descriptor is None


def test_a_message_to_a_peer_that_is_gone(hub, lines):
    (_, one), (line, two) = lines(), lines()
    line.close()
    until(hub.departures, "a departure")
    assert hub.send_all([two, one, b"nobody"], message(b"x")) == [two, b"nobody"]
    with pytest.raises(PeerError, match="gone"):
        hub.send(two, message(b"x"))


def test_messages_are_read_on_until_enough_frames_have_come(hub, lines):
    (one, _), (two, _) = lines(), lines()
    pair = Encoded([b"a"], measure([b"a"]), b"b")
    for line in (one, two, one):
        line.send(pair)
    found = hub.with_following(hub.receive(10), 6)
    assert [[bytes(frame) for frame in frames] for _, frames in found] == [[b"a", b"b"]] * 3
    two.send(pair)
    one.send(pair)
    assert len(hub.with_following(hub.receive(10), 2)) == 1
    assert hub.receive(10) is not None


def test_reading_on_ends_with_a_word_of_one_frame_or_where_nothing_comes(hub, lines):
    line, _ = lines()
    pair = Encoded([b"a"], measure([b"a"]), b"b")
    for sent in (pair, message(b"failed"), pair):
        line.send(sent)
    assert len(hub.with_following(hub.receive(10), 6)) == 2
    assert len(hub.with_following(hub.receive(0.2), 6)) == 1
    line.send(message(b"failed"))
    line.send(pair)
    assert len(hub.with_following(hub.receive(10), 6)) == 1


def test_a_descriptor_that_is_used_again_is_not_confused(hub, lines):
    """The newcomer's connection has the descriptor of the one that left before anyone looked."""
    left = []
    for _ in range(5):
        line, peer = lines()
        line.close()
        left.append(peer)
        with zmq.Context() as context, context.socket(zmq.DEALER) as newcomer:
            newcomer.connect(hub.address)
            newcomer.send(b"hello")
            arrived = hub.receive(10)
            assert arrived is not None
            newest = arrived[0]
            assert hub.connections[newest].descriptor is not None
        left.append(newest)
    gone = []
    until(lambda: gone.extend(hub.departures()) or len(gone) == len(left), "all departures")
    assert gone == left


def test_an_oversized_frame_ends_only_its_own_connection(hub, lines):
    line, peer = lines()
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        stranger.connect(hub.address)
        stranger.send(b"x" * (LARGEST_CONTROL + 1))
        line.send(message(b"still here"))
        arrived = hub.receive(10)
        assert arrived is not None
        assert (arrived[0], bytes(arrived[1][0])) == (peer, b"still here")
        assert hub.receive(0.2) is None


def test_nothing_said_to_a_master_that_is_leaving_reaches_the_next():
    """Its listener takes the connection, and nobody shakes hands; the next master is whole."""
    with socket.create_server(("127.0.0.1", 0)) as leaving:
        port = leaving.getsockname()[1]
        line = Line(f"tcp://127.0.0.1:{port}")
        leaving.settimeout(10)
        leaving.accept()[0].close()
        with pytest.raises(RoundTimeout):
            line.wait_connected(0.5)
    hub = Hub(f"tcp://127.0.0.1:{port}")
    line.wait_connected(10)
    line.send(message(b"hello"))
    arrived = hub.receive(10)
    assert arrived is not None
    assert [bytes(frame) for frame in arrived[1]] == [b"hello"]
    if tcpinfo.unavailable() is None:
        assert line.connection.audit().difference == 0
    line.close()
    hub.close()


def test_connections_that_idle_are_probed_and_nothing_is_counted(monkeypatch):
    """TCP's keep-alive, here every second, carries no bytes."""
    often = {zmq.TCP_KEEPALIVE_IDLE: 1, zmq.TCP_KEEPALIVE_INTVL: 1}
    monkeypatch.setattr(frames, "KEEPALIVE", frames.KEEPALIVE | often)
    hub = Hub("tcp://127.0.0.1:*")
    line = Line(hub.address)
    line.wait_connected(10)
    line.send(message(b"hello"))
    arrived = hub.receive(10)
    assert arrived is not None
    assert hub.receive(2.5) is None
    for connection in (line.connection, hub.connections[arrived[0]]):
        with socket.socket(fileno=os.dup(connection.descriptor)) as end:
            assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1
        if tcpinfo.unavailable() is None:
            assert connection.audit().difference == 0
    line.close()
    hub.close()


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 500, b"\0"])
def test_bytes_that_are_no_zeromq(hub, lines, garbage):
    line, peer = lines()
    port = int(hub.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(garbage)
        line.send(message(b"still here"))
        arrived = hub.receive(10)
        assert arrived is not None
        assert arrived[0] == peer
        assert hub.departures() == []


@pytest.mark.parametrize(
    "address", ["inproc://x", "ipc:///tmp/x", "127.0.0.1:5555", "", "tcp:/x:1"]
)
def test_only_tcp_has_bytes_that_the_kernel_counts(address):
    for end, option in ((Hub, "--bind"), (Line, "--connect")):
        with pytest.raises(ConfigError, match=rf"{option} {address}: is no TCP address: write it"):
            end(address)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1", "tcp://127.0.0.1:port", "tcp://1.2.3:1"])
def test_an_address_that_cannot_be_bound(address):
    with pytest.raises(ConfigError, match=rf"--bind {address}: cannot be bound"):
        Hub(address)


def test_a_port_in_use(hub):
    with pytest.raises(ConfigError, match="the port is in use: end what uses it, or choose"):
        Hub(hub.address)


def test_a_line_waits_for_its_master_but_not_for_ever():
    with zmq.Context() as context, context.socket(zmq.ROUTER) as probe:
        port = probe.bind_to_random_port("tcp://127.0.0.1")
    line = Line(f"tcp://127.0.0.1:{port}")
    with pytest.raises(
        RoundTimeout, match=rf"no master answered at tcp://127.0.0.1:{port} for 0.3 s"
    ):
        line.wait_connected(0.3)
    late = Hub(f"tcp://127.0.0.1:{port}")
    line.wait_connected(10)
    with pytest.raises(RoundTimeout, match=r"a word did not come from .* for 0.3 s"):
        line.receive(0.3, "a word")
    late.close()
    with pytest.raises(PeerError, match=r"the master at .* went away"):
        line.receive(10, "a word")
    line.close()
