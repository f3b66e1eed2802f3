"""The master among guests that keep to the protocol, guests that don't, and strangers."""

import threading
import time
from contextlib import contextmanager

import pytest
import zmq
from processes import SMALL, lasting, summary, until

from psim.config import parse
from psim.errors import PeerError, PsimError, RoundTimeout
from psim.launch import single
from psim.runtime.work import work
from psim.wire.decode import decode_control, kind_of
from psim.wire.encode import encode, encode_control
from psim.wire.messages import Control, Kind, Packet


class Serving:
    """A master in a thread."""

    def __init__(self, folder, **changes):
        self.error: PsimError | None = None
        self.folder, self._address = folder, []
        self._thread = threading.Thread(target=self._serve, args=(parse({**SMALL, **changes}),))
        self._thread.start()

    def _serve(self, config):
        try:
            single.serve(config, self.folder, "tcp://127.0.0.1:*", tell=self._address.append)
        except PsimError as error:
            self.error = error

    @property
    def address(self):
        return until(lambda: self._address, "a bound address")[0]

    def ended(self):
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.error


class Working:
    """A worker host in a thread."""

    def __init__(self, address, count=1):
        self.result: str | PsimError | None = None
        self._thread = threading.Thread(target=self._work, args=(address, count))
        self._thread.start()

    def _work(self, address, count):
        try:
            self.result = work(address, count, 10)
        except PsimError as error:
            self.result = error

    def ended(self):
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.result


class Fake:
    """A peer that sends what it likes."""

    def __init__(self, socket):
        self.socket = socket

    def say(self, kind, **fields):
        self.socket.send(encode_control(Control(kind, fields)).frames[0])

    def hear(self):
        assert self.socket.poll(10_000)
        return self.socket.recv_multipart()

    def join(self, count):
        self.say(Kind.HELLO, count=count, host="elsewhere", pid=7)
        welcome = decode_control(self.hear())
        assert welcome.kind is Kind.WELCOME
        self.say(Kind.READY)
        return welcome.fields


@contextmanager
def fake(address):
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(address)
        yield Fake(socket)


@pytest.fixture
def serving(tmp_path):
    def start(**changes):
        return Serving(tmp_path / "run", **changes)

    return start


def test_workers_in_threads_take_part_like_others(serving):
    master = serving()
    workers = [Working(master.address, count) for count in (1, 3)]
    assert [worker.ended() for worker in workers] == ["done", "done"]
    assert master.ended() is None
    assert summary(master.folder)["audit"]["difference"] == 0


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ([b"garbage"], "a frame that is no psim message"),
        ([b""], "a frame that is no psim message"),
        (encode_control(Control(Kind.READY)).frames, "READY in the middle of a run"),
        (encode(Packet(Kind.MESSAGE, 0, 0)).all(), "0 payloads and 0 scalars where"),
        (
            encode(Packet(Kind.MESSAGE, 1, 0)).all(),
            "MESSAGE of round 1: MESSAGE of round 0 was due",
        ),
        (encode(Packet(Kind.MESSAGE, 0, 3)).all(), "MESSAGE of rank 3 was not due from this peer"),
        (encode(Packet(Kind.DIAGNOSTIC, 0, 0)).all(), "MESSAGE of round 0 was due"),
        (encode_control(Control(Kind.FAILED, {"reason": "no\nmore", "code": 1})).frames, "no more"),
    ],
    ids=["garbage", "empty", "control", "payloads", "round", "rank", "kind", "failed"],
)
def test_a_guest_that_breaks_the_protocol_is_named_and_ends_the_run(serving, message, cause):
    master = serving()
    with fake(master.address) as guest:
        assert guest.join(3)["first"] == 0
        worker = Working(master.address, 1)
        guest.hear()  # x^0
        guest.socket.send_multipart(message)
        error = master.ended()
    assert isinstance(error, PeerError)
    assert str(error).startswith("worker ranks 0-2 on elsewhere (pid 7)")
    assert cause in str(error)
    assert error.exit_code == 1
    assert isinstance(worker.ended(), PeerError)
    assert summary(master.folder)["status"] == "failed"
    assert summary(master.folder)["reason"] == str(error)


@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.BYE, Kind.WELCOME])
def test_a_guest_that_breaks_the_protocol_before_the_run(serving, kind):
    master = serving()
    with fake(master.address) as guest:
        guest.join(2)
        guest.say(kind, count=1)
        error = master.ended()
    assert isinstance(error, PeerError)
    assert "worker ranks 0-1 on elsewhere (pid 7) broke the protocol" in str(error)
    assert not master.folder.exists()


def test_a_guest_that_leaves_before_the_run(serving):
    master = serving()
    with fake(master.address) as guest:
        guest.join(2)
    error = master.ended()
    assert isinstance(error, PeerError)
    assert str(error) == "worker ranks 0-1 on elsewhere (pid 7) went away: its connection ended"
    assert not master.folder.exists()


def test_the_last_words_of_a_guest_say_more_than_its_going(serving):
    master = serving()
    with fake(master.address) as guest:
        guest.join(4)
        guest.hear()
        guest.socket.linger = 1000
        guest.say(Kind.FAILED, reason="out of memory", code=1)
    assert "out of memory" in str(master.ended())


def test_strangers_do_not_disturb_a_run(serving, tmp_path):
    """They send garbage, control and vector messages and far too much, and come and go."""
    master = serving(rounds=300)
    worker = Working(master.address, 2)
    with fake(master.address) as early, fake(master.address) as loud:
        early.socket.send(b"garbage")
        assert "can't make sense" in decode_control(early.hear()).fields["reason"]
        other = Working(master.address, 2)
        until((master.folder / "rounds.jsonl").exists, "a run")
        while worker._thread.is_alive() and other._thread.is_alive():
            for each in (early, loud):
                each.socket.send_multipart([b"\x00" * 100, b"x"] * 3)
                each.say(Kind.HELLO, count=1)
                each.socket.send_multipart(encode(Packet(Kind.MESSAGE, 1, 1)).all())
            with fake(master.address) as hasty:
                hasty.socket.send(b"z" * (5 << 20))
                time.sleep(0.01)
        if early.socket.poll(0):
            answer = decode_control(early.hear())
            assert answer.kind is Kind.REFUSE
            assert "this run has all its workers" in answer.fields["reason"]
    assert master.ended() is None
    assert (worker.ended(), other.ended()) == ("done", "done")
    assert summary(master.folder)["audit"]["difference"] == 0
    assert len(summary(master.folder)["audit"]["connections"]) == 2
    assert (master.folder / "log.txt").read_text().count("refused") <= 60
    single.run(parse({**SMALL, "rounds": 300, "transport": "inproc"}), tmp_path / "alone")
    assert lasting(tmp_path / "alone") == lasting(master.folder)


def test_a_stranger_that_goes_on_talking_does_not_hide_a_silent_guest(serving):
    master = serving(deadlines={"silence": "1 s"})
    with fake(master.address) as guest, fake(master.address) as stranger:
        guest.join(4)
        guest.hear()
        end = time.monotonic() + 20
        while master._thread.is_alive() and time.monotonic() < end:
            stranger.socket.send(b"chatter")
            time.sleep(0.02)
        error = master.ended()
    assert isinstance(error, RoundTimeout)
    assert "round 0: nothing came from ranks [0, 1, 2, 3] for 1 s" in str(error)


def test_a_stranger_that_goes_on_talking_does_not_hide_a_guest_that_left(serving):
    master = serving()
    with fake(master.address) as stranger:
        with fake(master.address) as guest:
            guest.join(4)
            guest.hear()
        end = time.monotonic() + 20
        while master._thread.is_alive() and time.monotonic() < end:
            stranger.socket.send(b"chatter")
            time.sleep(0.02)
        assert time.monotonic() < end
        assert "went away" in str(master.ended())


def test_a_guest_that_says_no_goodbye(serving):
    master = serving(rounds=1, deadlines={"silence": "1 s"}, workers=1, processes=1)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as front:
        front.linger = 0
        worker = Working(f"tcp://127.0.0.1:{front.bind_to_random_port('tcp://127.0.0.1')}")
        with fake(master.address) as back:
            peer, frames = b"", [b""]
            while master._thread.is_alive():
                if front.poll(20):
                    peer, *frames = front.recv_multipart()
                    if kind_of(frames) is Kind.BYE:
                        break  # neither this nor what follows arrives
                    back.socket.send_multipart(frames)
                if back.socket.poll(20):
                    front.send_multipart([peer, *back.socket.recv_multipart()])
            error = master.ended()
    assert kind_of(frames) is Kind.BYE
    assert isinstance(error, RoundTimeout)
    assert "no goodbye came for 1 s from worker rank 0 on" in str(error)
    assert summary(master.folder)["status"] == "failed"
    assert isinstance(worker.ended(), PsimError)


def test_a_worker_meets_something_that_is_no_master():
    with zmq.Context() as context, context.socket(zmq.ROUTER) as other:
        other.linger = 0
        port = other.bind_to_random_port("tcp://127.0.0.1")
        for answer in (
            [b"hello yourself"],
            encode_control(Control(Kind.WELCOME)).frames,
            [b"", b""],
        ):
            worker = Working(f"tcp://127.0.0.1:{port}")
            assert other.poll(10_000)
            peer = other.recv_multipart()[0]
            other.send_multipart([peer, *answer])
            error = worker.ended()
            assert isinstance(error, PsimError)
            assert error.exit_code == 1
            while other.poll(0):
                other.recv_multipart()
