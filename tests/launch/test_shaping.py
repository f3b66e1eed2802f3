"""Shaping by the kernel: what is asked of it, and what an interface does then."""

import re
import shutil
import subprocess
from math import inf

import pytest
from net.namespaces import Star, have_netem, inside
from net.namespaces import missing as no_star

from psim.errors import ConfigError
from psim.launch import shaping
from psim.launch.shaping import Links, Pipe, commands
from psim.network import Network


def links(**network):
    return Links.of(Network.model_validate(network))


def test_a_network_as_interfaces_see_it():
    found = links(
        uplink={"bandwidth": "2 Mbit/s", "latency": "5 ms"},
        downlink={"bandwidth": "8 Mbit/s"},
        master={"ingress": "1 Gbit/s"},
    )
    assert found.uplink == Pipe(2e6, 0.005)
    assert found.downlink == Pipe(8e6)
    assert (found.egress, found.ingress) == (Pipe(), Pipe(1e9))
    assert found.latency == 0.005
    assert str(found.uplink) == "2 Mbit/s, 5 ms later"
    assert str(found.egress) == "unlimited"


def test_a_preset_is_filled_in():
    found = links(preset="lan-1g")
    assert found.uplink == Pipe(1e9, 250e-6)
    assert found.egress == Pipe(1e9)


@pytest.mark.parametrize(
    ("network", "key"),
    [
        ({"overrides": {0: {"uplink": {"latency": "1 ms"}}}}, "network.overrides"),
        ({"groups": {"slow": {"ranks": "0-1"}}}, "network.groups"),
        ({"uplink": {"loss": 0.01}}, "network.uplink.loss"),
        ({"downlink": {"jitter": {"kind": "uniform", "high": "1 ms"}}}, "network.downlink.jitter"),
        ({"uplink": {"trace": "some.csv"}}, "network.uplink.trace"),
    ],
)
def test_what_a_kernel_cannot_do_as_psim_means_it(network, key):
    with pytest.raises(ConfigError, match=f"^{key}: .*take network.clock: real"):
        links(**network)


def test_the_file_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("rounds: 3\nnetwork: {uplink: {loss: 0.1}}\nworkers: 2\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: problem: "):
        Links.read(path)


def test_the_bucket_is_as_deep_as_documented():
    (line,) = commands("eth0", Pipe(10e6), Pipe(), 1500)
    assert " ".join(line) == (
        "tc qdisc add dev eth0 root handle 1: tbf rate 10000000bit burst 5000b limit 67108864b"
    )
    (line,) = commands("eth0", Pipe(1e6), Pipe(), 1500)
    assert "burst 3028b" in " ".join(line), "two packets"


def test_a_latency_stands_behind_the_bucket():
    rated = [" ".join(line) for line in commands("eth0", Pipe(1e6, 0.02), Pipe(), 1500)]
    assert rated[1] == "tc qdisc add dev eth0 parent 1:1 handle 2: netem delay 20000us limit 100000"
    (alone,) = commands("eth0", Pipe(inf, 0.02), Pipe(), 1500)
    assert alone[3:7] == ("dev", "eth0", "root", "handle")


def test_nothing_to_shape_is_nothing_to_run():
    assert commands("eth0", Pipe(), Pipe(), 1500) == []


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """ip, which says what interfaces there are; tc is taken to be there: nothing is shaped."""
    if shutil.which("ip") is None:
        pytest.skip("no ip (iproute2) on this system")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/sbin/{name}")


def test_tools_that_are_not_there(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ConfigError, match=r"shape lo: needs ip and tc: install iproute2"):
        links().shape("lo", Pipe(), Pipe())


@pytest.mark.usefixtures("tools")
def test_an_interface_that_is_not_there():
    with pytest.raises(ConfigError, match=r"shape psim-none: no such interface; there are lo"):
        links().shape("psim-none", Pipe(), Pipe())


@pytest.mark.usefixtures("tools")
def test_another_mtu():
    with pytest.raises(ConfigError, match=r"network\.mtu: 1400, and lo has \d+: give that"):
        links(mtu=1400).shape("lo", Pipe(), Pipe())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "RTNETLINK answers:\n Operation not permitted",
            r"^tc .*permitted: shaping needs CAP_NET_A",
        ),
        ("Error: Specified qdisc kind is unknown.", r"^latency 20 ms: this kernel has no netem "),
        ("", r"\(tc says: exit code 2\)$"),
    ],
)
def test_a_kernel_that_refuses_is_quoted(monkeypatch, said, told):
    refusal = subprocess.CompletedProcess([], 2, "", said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refusal)
    with pytest.raises(ConfigError, match=told):
        shaping._check_netem(0.02)


@pytest.mark.netns
@pytest.mark.skipif(no_star() is not None, reason=str(no_star()))
def test_both_ways_of_an_interface_are_shaped():
    with Star(1) as star, inside(star.worker[0]):
        found = links(uplink={"bandwidth": "1 Mbit/s"}, downlink={"bandwidth": "2 Mbit/s"})
        found.shape("eth0", found.uplink, found.downlink)
        shown = subprocess.run(["tc", "qdisc"], capture_output=True, text=True, check=True).stdout
    rates = dict(re.findall(r"qdisc tbf 1: dev (\S+) root refcnt \d+ rate (\S+)", shown))
    assert rates == {"eth0": "1Mbit", shaping.INTERMEDIATE: "2Mbit"}


@pytest.mark.netns
@pytest.mark.skipif(no_star() is not None, reason=str(no_star()))
def test_a_kernel_without_netem_says_so():
    with Star(1) as star, inside(star.worker[0]):
        found = links(uplink={"latency": "20 ms"})
        if have_netem():
            found.shape("eth0", found.uplink, found.downlink)
        else:
            with pytest.raises(ConfigError, match=r"latency 20 ms: this kernel has no netem"):
                found.shape("eth0", found.uplink, found.downlink)
