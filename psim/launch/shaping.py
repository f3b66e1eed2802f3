"""The kernel shapes this machine's own interface, as a config's network says: tc and ip.

What leaves passes a token bucket (tc-tbf) of its rate; what comes in is led through one on an
intermediate device (ifb) first. A latency is netem's, in the bucket's queue. A bucket lets its
depth pass at once, DEPTH seconds of its rate or two packets: by that much a message is faster than
the emulated one. Needs root with CAP_NET_ADMIN, and iproute2.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

from psim.config import load
from psim.errors import ConfigError
from psim.network import Network, Way
from psim.plan import expand
from psim.units import si

DEPTH = 4e-3
"""Seconds of the rate that pass at once: a timer that is late by that costs nothing."""
ETHERNET = 14
"""Bytes of a packet that an interface counts beside the MTU."""
QUEUE = 64 << 20
"""Bytes that may wait for a bucket: TCP shall not lose any there."""
PACKETS = 100_000
"""Packets that netem may hold; its default of 1,000 is 1.5 MB."""
INTERMEDIATE = "psim-in"

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """One direction of an interface: bits/s and s."""

    rate: float = inf
    latency: float = 0.0

    def __str__(self) -> str:
        rate = si(self.rate, "bit/s") if isfinite(self.rate) else "unlimited"
        return f"{rate}, {1e3 * self.latency:g} ms later" if self.latency else rate


@dataclass(frozen=True, slots=True)
class Links:
    """A network as interfaces see it: a worker's way out and in, the master's, and the MTU."""

    uplink: Pipe
    downlink: Pipe
    egress: Pipe
    ingress: Pipe
    mtu: int

    @classmethod
    def of(cls, network: Network) -> Links:
        """Raises ConfigError where the network has what a kernel can't do as psim means it."""
        _check_alike(network)
        up, down = _pipe(network, "uplink"), _pipe(network, "downlink")
        egress, ingress = (Pipe(network.shared(way)) for way in ("downlink", "uplink"))
        return cls(up, down, egress, ingress, network.mtu)

    @classmethod
    def read(cls, path: Path) -> Links:
        """Those of a config file. Raises ConfigError."""
        try:
            return cls.of(expand(load(path), path.parent).runs[0].config.network)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    @property
    def latency(self) -> float:
        """The longest (s)."""
        return max(self.uplink.latency, self.downlink.latency)

    def shape(self, device: str, out: Pipe, into: Pipe) -> None:
        """Shape an interface with two of the pipes. Raises ConfigError where that fails, or would
        fail at the other end.
        """
        _check_device(device, self.mtu)
        if self.latency > 0:
            _check_netem(self.latency)
        for command in commands(device, out, into, self.mtu):
            _run(command)


def commands(device: str, out: Pipe, into: Pipe, mtu: int) -> list[Command]:
    """What is run, in order; nothing for a direction that is unlimited and without latency."""
    found = _limit(device, out, mtu)
    if into != Pipe():
        found += [
            _words(f"ip link add {INTERMEDIATE} type ifb"),
            _words(f"ip link set {INTERMEDIATE} up"),
            _words(f"tc qdisc add dev {device} handle ffff: ingress"),
            _words(
                f"tc filter add dev {device} parent ffff: protocol all u32 match u32 0 0 "
                f"action mirred egress redirect dev {INTERMEDIATE}"
            ),
            *_limit(INTERMEDIATE, into, mtu),
        ]
    return found


def _limit(device: str, pipe: Pipe, mtu: int) -> list[Command]:
    found, place = [], "root"
    if isfinite(pipe.rate):
        depth = max(2 * (mtu + ETHERNET), round(pipe.rate / 8 * DEPTH))
        bucket = f"tbf rate {pipe.rate:.0f}bit burst {depth}b limit {QUEUE}b"
        found.append(_words(f"tc qdisc add dev {device} root handle 1: {bucket}"))
        place = "parent 1:1"
    if pipe.latency > 0:
        delay = f"netem delay {pipe.latency * 1e6:.0f}us limit {PACKETS}"
        found.append(_words(f"tc qdisc add dev {device} {place} handle 2: {delay}"))
    return found


def _check_alike(network: Network) -> None:
    for key in ("groups", "overrides"):
        if getattr(network, key):
            raise ConfigError(
                "an interface is shaped before its worker has a rank: shape links that are all "
                "alike, or take network.clock: real",
                f"network.{key}",
            )


def _pipe(network: Network, way: Way) -> Pipe:
    (link,) = network.links(way, 1)
    for key in ("trace", "jitter", "loss"):
        if getattr(link, key):
            raise ConfigError(
                "only bandwidth and latency are shaped: leave it out, or take network.clock: real",
                f"network.{way}.{key}",
            )
    return Pipe(inf if link.bandwidth is None else link.bandwidth, link.latency or 0.0)


def _check_device(device: str, mtu: int) -> None:
    if shutil.which("tc") is None or shutil.which("ip") is None:
        raise ConfigError(f"shape {device}: needs ip and tc: install iproute2")
    mtus = {each["ifname"]: each["mtu"] for each in json.loads(_run(_words("ip -j link")))}
    if device not in mtus:
        raise ConfigError(f"shape {device}: no such interface; there are {', '.join(mtus)}")
    if mtus[device] != mtu:
        raise ConfigError(f"{mtu}, and {device} has {mtus[device]}: give that", "network.mtu")


def _check_netem(latency: float) -> None:
    """Try it where nothing passes."""
    trial = _words("tc qdisc replace dev lo root netem delay 1us")
    done = _done(trial)
    if done.returncode != 0 and "not permitted" not in done.stderr:
        raise ConfigError(
            f"latency {1e3 * latency:g} ms: this kernel has no netem (CONFIG_NET_SCH_NETEM) to "
            "delay packets: take network.clock: real, which holds messages as long without any "
            f"privilege, or shape a network without latency (tc says: {_said(done)})"
        )
    _check(trial, done)
    _run(_words("tc qdisc del dev lo root"))


def _run(command: Command) -> str:
    done = _done(command)
    _check(command, done)
    return done.stdout


def _check(command: Command, done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise ConfigError(
            f"{' '.join(command)}: {_said(done)}: shaping needs CAP_NET_ADMIN, tbf and ifb"
        )


def _done(command: Command) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split()) or f"exit code {done.returncode}"


def _words(line: str) -> Command:
    return tuple(line.split())
