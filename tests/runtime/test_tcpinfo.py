"""The kernel's counters of a connection, held against what was written to it."""

import socket

import pytest

from psim.runtime import tcpinfo

pytestmark = pytest.mark.skipif(
    tcpinfo.unavailable() is not None, reason=str(tcpinfo.unavailable())
)


@pytest.fixture
def ends():
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        yield ours, theirs


def test_the_counters_are_what_was_written(ends):
    ours, theirs = ends
    ours.sendall(b"x" * 1000)
    theirs.sendall(b"y" * 70)
    assert theirs.recv(1000, socket.MSG_WAITALL) == b"x" * 1000
    assert ours.recv(70, socket.MSG_WAITALL) == b"y" * 70
    assert tcpinfo.read(ours.fileno()) == tcpinfo.KernelBytes(sent=1000, received=70)
    assert tcpinfo.read(theirs.fileno()) == tcpinfo.KernelBytes(sent=70, received=1000)


def test_the_end_of_a_connection_is_no_byte(ends):
    ours, theirs = ends
    theirs.sendall(b"y" * 7)
    theirs.shutdown(socket.SHUT_WR)
    assert ours.recv(7, socket.MSG_WAITALL) == b"y" * 7
    assert ours.recv(1) == b""
    assert tcpinfo.read(ours.fileno()) == tcpinfo.KernelBytes(sent=0, received=7)
