"""``psim master`` and ``psim worker`` on hosts of their own: network namespaces on one bridge.

Every host has an address, a loopback and a stack to itself, as another machine has. One may be
behind another that translates addresses (NAT), as a machine at home is.
"""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest
from net.namespaces import Star, missing
from processes import SMALL, lasting, summary

from psim.config import parse
from psim.launch.single import run

PORT = 5555
ENTER = """
import os, sys
os.execvp("ip", ["ip", "netns", "exec", sys.argv[1], sys.executable, "-m", "psim", *sys.argv[2:]])
"""

pytestmark = [
    pytest.mark.netns,
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]


@pytest.fixture
def star():
    with Star(3) as made:
        yield made


@pytest.fixture
def on(start):
    """Starts psim on a host."""
    return lambda host, *arguments: start("-c", ENTER, host, *arguments)


def assert_as_alone(folder, alone):
    run(parse({**SMALL, "transport": "inproc"}), alone)
    assert summary(folder)["x_sha256"] == summary(alone)["x_sha256"]
    assert lasting(folder) == lasting(alone)
    assert summary(folder)["audit"]["difference"] == 0


def test_three_hosts_and_a_master(star, on, config, tmp_path):
    """The workers come first, and one of them hosts two ranks."""
    address = f"tcp://{star.address}:{PORT}"
    hosts = zip(star.worker, (1, 2, 1), strict=True)
    workers = [on(host, "worker", "--connect", address, "--count", count) for host, count in hosts]
    master = on(star.master, "master", config(), "--bind", f"tcp://0.0.0.0:{PORT}", "--out", "run")
    assert master.ended() == 0, master.err
    assert [worker.ended() for worker in workers] == [0, 0, 0], workers[0].err
    assert len(summary(tmp_path / "run")["audit"]["connections"]) == 3
    assert_as_alone(tmp_path / "run", tmp_path / "alone")


def ip(line):
    subprocess.run(line.split(), check=True, capture_output=True)


@contextmanager
def behind(router):
    """A host at home: 192.168.7.2, which leaves by ``router`` and with its address."""
    home = f"psim-{os.getpid()}-home"
    ip(f"ip netns add {home}")
    try:
        ip(f"ip -n {router} link add name home type veth peer name eth0 netns {home}")
        for host, device, number in ((router, "home", 1), (home, "eth0", 2)):
            ip(f"ip -n {host} address add 192.168.7.{number}/24 dev {device}")
            ip(f"ip -n {host} link set dev {device} up")
        ip(f"ip -n {home} route add default via 192.168.7.1")
        ip(f"ip netns exec {router} sysctl -q net.ipv4.ip_forward=1")
        ip(f"ip netns exec {router} iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE")
        yield home
    finally:
        ip(f"ip netns delete {home}")


@pytest.fixture
def home(star):
    if shutil.which("iptables") is None:
        pytest.skip("no iptables to translate addresses with")
    with behind(star.worker[0]) as made:
        yield made


def test_a_worker_behind_nat_is_like_any_other(star, home, on, config, tmp_path):
    master = on(star.master, "master", config(), "--bind", f"tcp://0.0.0.0:{PORT}", "--out", "run")
    address = f"tcp://{star.address}:{PORT}"
    workers = [
        on(host, "worker", "--connect", address, "--count", 2) for host in (home, star.worker[1])
    ]
    assert master.ended() == 0, master.err
    assert [worker.ended() for worker in workers] == [0, 0], workers[0].err
    assert_as_alone(tmp_path / "run", tmp_path / "alone")


def test_a_master_behind_nat_needs_its_port_forwarded(star, home, on, config, tmp_path):
    router, address = star.worker[0], f"tcp://10.0.0.2:{PORT}"
    lost = on(star.worker[1], "worker", "--connect", address, "--join", "2 s")
    assert lost.ended() == 1
    assert f"no master answered at {address} for 2 s: is it there?" in lost.err
    forward = f"-p tcp --dport {PORT} -j DNAT --to-destination 192.168.7.2"
    ip(f"ip netns exec {router} iptables -t nat -A PREROUTING -i eth0 {forward}")
    master = on(home, "master", config(), "--bind", f"tcp://0.0.0.0:{PORT}", "--out", "run")
    worker = on(star.worker[1], "worker", "--connect", address, "--count", 4)
    assert (master.ended(), worker.ended()) == (0, 0), worker.err
    assert_as_alone(tmp_path / "run", tmp_path / "alone")
