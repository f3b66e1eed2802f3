"""``psim master`` and ``psim worker``, each a process of its own."""

import json
import re
import signal

import pytest
import zmq
from pieces import every, suited
from processes import SMALL, lasting, summary, until, write

from psim.config import parse
from psim.data.known import KNOWN
from psim.launch.single import run
from psim.wire.decode import decode_control
from psim.wire.encode import encode_control
from psim.wire.messages import PROTOCOL, Control, Kind

LOOPBACK = "tcp://127.0.0.1:*"
FIRST = {piece.name: piece for piece in reversed(every("methods"))}
METHODS = sorted(FIRST)


def free_port() -> int:
    """A port that was free a moment ago."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as probe:
        return probe.bind_to_random_port("tcp://127.0.0.1")


def _same_as_in_process(document, folder, here):
    run(parse({**document, "transport": "inproc"}), here)
    assert summary(folder)["x_sha256"] == summary(here)["x_sha256"]
    assert lasting(folder) == lasting(here)


ONE_AFTER_ANOTHER = """
import json, sys
from psim.cli import main

for line in json.loads(sys.argv.pop()):
    sys.argv[1:] = line
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
"""


@pytest.mark.slow
def test_every_method_by_hand_gives_the_same_bits(start, tmp_path):
    """Two processes: masters one after another, and all their workers."""
    # A port each: one that a master is just leaving would take the next one's workers.
    addresses = {method: f"tcp://127.0.0.1:{free_port()}" for method in METHODS}
    documents = {}
    for method in METHODS:
        changes = {"method": FIRST[method].document()}
        if method == "gd":
            changes["compressor"] = {"name": "identity"}
        documents[method] = suited({**SMALL, **changes})
        write(tmp_path / f"{method}.yaml", documents[method])
    masters = [["master", f"{m}.yaml", "--bind", addresses[m], "--out", m] for m in METHODS]
    workers = [["worker", "--connect", addresses[m], "--count", "4"] for m in METHODS]
    ends = [start("-c", ONE_AFTER_ANOTHER, json.dumps(lines)) for lines in (masters, workers)]
    assert [end.ended() for end in ends] == [0, 0], ends[0].err
    for method, document in documents.items():
        assert summary(tmp_path / method)["audit"]["difference"] == 0
        _same_as_in_process(document, tmp_path / method, tmp_path / "inproc" / method)


@pytest.mark.slow
def test_a_run_by_hand(psim, config, tmp_path):
    master = psim("master", config(), "--bind", LOOPBACK, "--out", "run")
    workers = [psim("worker", "--connect", master.address(), "--count", n) for n in (3, 1)]
    assert master.ended() == 0, master.err
    assert [worker.ended() for worker in workers] == [0, 0]
    folder = tmp_path / "run"
    found = summary(folder)
    assert found["status"] == "done"
    connections = found["audit"]["connections"]
    assert found["audit"]["difference"] == 0
    assert len(connections) == 2
    for worker in workers:
        assert any(f"(pid {worker.pid})" in name for name in connections)
        assert "the run is over: done" in worker.err
    assert "run" in master.out
    _same_as_in_process(SMALL, folder, tmp_path / "inproc")


@pytest.mark.slow
def test_workers_without_a_count_that_come_before_their_master(psim, config, tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    workers = [psim("worker", "--connect", address) for _ in range(4)]
    master = psim("master", config(), "--bind", address, "--out", "run")
    assert [master.ended(), *(worker.ended() for worker in workers)] == [0] * 5, master.err
    ranks = {re.search(r"as rank (\d) of 4", worker.err)[1] for worker in workers}
    assert ranks == set("0123")
    _same_as_in_process(SMALL, tmp_path / "run", tmp_path / "inproc")


@pytest.mark.slow
def test_a_worker_whose_data_differ_ends_both_with_2(psim, config, tmp_path):
    for folder, value in (("mine", 2), ("yours", 3)):
        (tmp_path / folder).mkdir()
        lines = [f"{row % 2} 1:{value} 68:{row % 7}\n" for row in range(KNOWN["phishing"].rows)]
        (tmp_path / folder / "phishing").write_text("".join(lines))
    path = config(problem={"name": "logistic", "dataset": "phishing"})
    mine, yours = str(tmp_path / "mine"), str(tmp_path / "yours")
    master = psim("master", path, "--bind", LOOPBACK, "--out", "run", PSIM_DATA=mine)
    worker = psim("worker", "--connect", master.address(), "--count", 4, PSIM_DATA=yours)
    assert (master.ended(), worker.ended()) == (2, 2)
    for end in (master, worker):
        assert "copy of the data differs from the master's" in end.err
        assert "give all machines the same file" in end.err
        assert "Traceback" not in end.err
    assert f"(pid {worker.pid})" in master.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_port_in_use(psim, config, tmp_path):
    with zmq.Context() as context, context.socket(zmq.ROUTER) as taken:
        port = taken.bind_to_random_port("tcp://127.0.0.1")
        master = psim("master", config(), "--bind", f"tcp://127.0.0.1:{port}", "--out", "run")
        assert master.ended() == 2
    assert master.err.count("\n") == 1
    assert f"{port}: the port is in use: end what uses it, or choose another port" in master.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_workers_that_never_come_and_one_of_another_version(psim, config, tmp_path):
    path = config(deadlines={"join": "8 s"})
    master = psim("master", path, "--bind", LOOPBACK, "--out", "run")
    address = master.address()
    worker = psim("worker", "--connect", address, "--count", 3)
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        stranger.connect(address)
        hello = encode_control(Control(Kind.HELLO, {"count": 1})).frames[0]
        stranger.send(bytes([hello[0], PROTOCOL + 1]) + hello[2:])
        assert stranger.poll(10_000)
        answer = decode_control(stranger.recv_multipart())
    assert answer.kind is Kind.REFUSE
    assert f"protocol version {PROTOCOL + 1}" in answer.fields["reason"]
    assert master.ended() == 1
    assert worker.ended() == 1
    assert "3 of 4 workers came within 8 s" in master.err
    assert f"protocol version {PROTOCOL + 1}: this psim speaks version {PROTOCOL}" in master.err
    assert "deadlines.join" in master.err
    assert "Traceback" not in master.err + worker.err
    assert "the run failed: 3 of 4 workers came" in worker.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_too_many_ranks_are_refused_and_a_master_that_vanishes_is_noticed(psim, config):
    master = psim("master", config(), "--bind", LOOPBACK, "--out", "run")
    address = master.address()
    worker = psim("worker", "--connect", address, "--count", 5)
    assert worker.ended() == 2
    assert "5 ranks were offered and 4 of 4 are free: use --count 4 or less" in worker.err
    worker = psim("worker", "--connect", address, "--count", 3, "--join", "9 s")
    until(lambda: "joined" in worker.err, "a worker that has joined")
    master.signal(signal.SIGKILL)
    assert worker.ended() == 1
    assert f"the master at {address} went away before the run began" in worker.err
    assert f"no master answered at {address} for 9 s: is it there?" in worker.err
    assert "Traceback" not in worker.err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_survive_their_masters_restart_before_the_run(psim, config, tmp_path, number):
    address = f"tcp://127.0.0.1:{free_port()}"
    line = ("master", config(), "--bind", address, "--out", "run")
    master = psim(*line)
    workers = [psim("worker", "--connect", address, "--count", 2)]
    until(lambda: "joined" in workers[0].err, "a worker that has joined")
    master.signal(number)
    master.ended(20)
    until(lambda: "waiting for a master there" in workers[0].err, "a worker without a master")
    master = psim(*line)
    workers.append(psim("worker", "--connect", address, "--count", 2))
    assert master.ended() == 0, master.err
    assert [worker.ended() for worker in workers] == [0, 0], workers[0].err
    assert workers[0].err.count("joined") == 2
    assert summary(tmp_path / "run")["audit"]["difference"] == 0
    _same_as_in_process(SMALL, tmp_path / "run", tmp_path / "inproc")


@pytest.mark.slow
def test_a_master_that_is_gone_in_the_middle_of_a_run_is_not_waited_for(psim, config, tmp_path):
    path = config(rounds=2**31 - 1, metrics={"every": 100})
    master = psim("master", path, "--bind", LOOPBACK, "--out", "run")
    address = master.address()
    worker = psim("worker", "--connect", address, "--count", 4)
    rows = tmp_path / "run" / "rounds.jsonl"
    until(lambda: rows.exists() and rows.read_text().count("\n") > 1, "rounds")
    master.signal(signal.SIGTERM)
    assert (master.ended(20), worker.ended(20)) == (130, 1)
    assert f"psim: the master at {address} was interrupted" in worker.err
    assert summary(tmp_path / "run")["status"] == "interrupted"


@pytest.mark.slow
def test_a_master_of_another_version(psim):
    with zmq.Context() as context, context.socket(zmq.ROUTER) as fake:
        fake.linger = 0
        port = fake.bind_to_random_port("tcp://127.0.0.1")
        worker = psim("worker", "--connect", f"tcp://127.0.0.1:{port}")
        assert fake.poll(60_000)
        peer, hello = fake.recv_multipart()
        assert decode_control([hello]).fields["protocol"] == PROTOCOL
        welcome = encode_control(Control(Kind.WELCOME)).frames[0]
        fake.send_multipart([peer, bytes([welcome[0], PROTOCOL + 1]) + welcome[2:]])
        assert worker.ended() == 2
    assert (
        f"the master at tcp://127.0.0.1:{port} speaks protocol version {PROTOCOL + 1}" in worker.err
    )
    assert worker.err.count("\n") == 1


@pytest.mark.slow
def test_a_worker_that_is_interrupted_ends_the_run(psim, config, tmp_path):
    path = config(rounds=1_000_000, metrics={"every": 1000})
    master = psim("master", path, "--bind", LOOPBACK, "--out", "run")
    workers = [psim("worker", "--connect", master.address(), "--count", 2) for _ in range(2)]
    until((tmp_path / "run" / "rounds.jsonl").exists, "a run")
    workers[0].signal(signal.SIGTERM)
    assert workers[0].ended(10) == 130
    assert master.ended(10) == 1
    assert workers[1].ended(10) == 1
    assert f"(pid {workers[0].pid}) went away: its connection ended" in master.err
    assert "the run failed: worker rank" in workers[1].err
    assert "Traceback" not in master.err + workers[0].err + workers[1].err
    assert summary(tmp_path / "run")["status"] == "failed"
