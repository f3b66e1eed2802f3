"""What is counted is what the kernel carried, to the byte."""

import os

import pytest
from processes import SMALL, rows, summary, until, write

from psim.config import parse
from psim.launch.single import run
from psim.runtime import connection, tcpinfo
from psim.runtime.connection import Audit, Connection
from psim.runtime.hub import Hub
from psim.runtime.line import Line
from psim.wire.encode import Encoded
from psim.wire.size import HANDSHAKE, framed, measure

pytestmark = pytest.mark.skipif(
    tcpinfo.unavailable() is not None, reason="this kernel counts no bytes"
)

SIZES = [[10], [255], [256], [60, 16_000], [17, 65_535], [17, 65_536, 65_537], [1_000_000]]
SIZES += [[40, 10_000_000, 8], [10_000_000]]


def message(lengths: list[int]) -> Encoded:
    frames = [os.urandom(length) for length in lengths]
    return Encoded(list(frames), measure(frames))


@pytest.fixture
def pair():
    """A hub with a line to it: connected, and one message each way."""
    hub = Hub("tcp://127.0.0.1:*", 20_000_000)
    line = Line(hub.address)
    line.wait_connected(10)
    line.uncopied = True
    line.send(message([5]))
    arrived = hub.receive(10)
    assert arrived is not None
    peer = arrived[0]
    hub.send(peer, message([5]))
    line.receive(10, "an answer")
    yield hub, line, peer
    line.close()
    hub.close()


def both(hub, line, peer) -> list[Audit]:
    return [hub.connections[peer].audit(), line.connection.audit()]


def test_the_handshake_is_counted_from_the_first_byte(pair):
    for audit in both(*pair):
        assert audit.difference == 0
        assert audit.counted_sent == audit.kernel_sent == HANDSHAKE + framed(5)


@pytest.mark.parametrize("lengths", SIZES, ids=str)
def test_messages_of_every_size_both_ways(pair, lengths):
    hub, line, peer = pair
    sent = message(lengths)
    for _ in range(3):
        hub.send_all([peer], sent)
        assert [bytes(frame) for frame in line.receive(30, "a message")] == sent.frames
        line.send(sent)
        arrived = hub.receive(30)
        assert arrived is not None
        assert arrived[0] == peer
        assert [bytes(frame) for frame in arrived[1]] == sent.frames
    carried = HANDSHAKE + framed(5) + 3 * sent.size.framed
    for audit in both(hub, line, peer):
        assert audit.difference == 0
        assert audit.kernel_sent == audit.kernel_received == carried


@pytest.mark.parametrize("side", [0, 1])
def test_a_stray_byte_is_seen_at_both_ends(pair, side):
    hub, line, peer = pair
    ends = [hub.connections[peer], line.connection]
    os.write(ends[side].descriptor, b"\0")
    other = ends[1 - side]
    until(lambda: other.audit().difference, "the byte's arrival")
    assert [end.audit().difference for end in ends] == [1, 1]


def test_differences_are_not_set_off_against_each_other():
    assert Audit(10, 12, 9, 7).difference == 4
    audits = {"a": Audit(10, 12, 9, 7), "b": Audit(1, 1, 1, 1)}
    whole = connection.summary(audits)
    assert (whole["counted"], whole["kernel"], whole["difference"]) == (21, 21, 4)


def test_the_counters_stay_those_of_the_connection(pair):
    """The duplicate keeps them when the socket is gone, and gives them back only once."""
    _hub, line, _peer = pair
    before = line.connection.audit()
    copy = Connection.behind(line.connection.descriptor)
    line.close()
    assert tcpinfo.read(copy.descriptor).sent == before.kernel_sent
    copy.close()
    copy.close()
    assert copy.descriptor is None


@pytest.fixture(scope="module")
def over_tcp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tcp") / "run"
    run(parse({**SMALL, "processes": 4}), folder)
    return folder


def test_every_workers_process_and_connection_are_its_own(over_tcp):
    audit = summary(over_tcp)["audit"]
    assert audit["difference"] == 0
    names = list(audit["connections"])
    pids = {int(name.partition("(pid ")[2].rstrip(")")) for name in names}
    assert len(pids) == 4
    assert os.getpid() not in pids
    for counts in audit["connections"].values():
        for way in ("sent", "received"):
            assert counts[way]["counted"] == counts[way]["kernel"] > HANDSHAKE
    kernel = sum(c[way]["kernel"] for c in audit["connections"].values() for way in c)
    assert audit["kernel"] == audit["counted"] == kernel


def test_rows_count_what_the_connections_carried_beside_control_messages(over_tcp):
    """The logical account, setup and diagnostics included, is what travelled in the run itself."""
    found = summary(over_tcp)
    logical = sum(each["framed"] for way in found["bytes"].values() for each in way.values())
    physical = found["audit"]["kernel"]
    control = physical - 2 * 4 * HANDSHAKE - logical
    assert 0 < control < 4 * 5_000


def test_in_process_there_is_no_audit(tmp_path):
    run(parse({**SMALL, "transport": "inproc"}), tmp_path / "run")
    found = summary(tmp_path / "run")
    assert found["audit"] is None
    assert (
        found["audit_reason"] == "transport inproc has no socket whose bytes the kernel would count"
    )


STRAY = """
import os
from psim.cli import main
from psim.runtime.serve import Server

audit = Server._audit

def stray(self):
    os.write(next(iter(self.hub.connections.values())).descriptor, b"!")
    return audit(self)

Server._audit = stray
main()
"""


@pytest.mark.slow
def test_a_stray_byte_fails_a_run_and_keeps_its_rows(start, tmp_path):
    write(tmp_path / "c.yaml", SMALL)
    command = start("-c", STRAY, "run", "c.yaml", "--out", "run")
    assert command.ended() == 1
    assert command.alone()
    assert "B were counted and the kernel carried" in command.err
    assert "Traceback" not in command.err
    found = summary(tmp_path / "run")
    assert found["status"] == "failed"
    assert "not to be trusted" in found["reason"]
    assert found["audit"]["difference"] == 1
    assert found["audit"]["kernel"] == found["audit"]["counted"] + 1
    assert [row["round"] for row in rows(tmp_path / "run")] == [0, 1, 2, 3, 4, 5]
    assert (tmp_path / "run" / "x.npy").exists()
