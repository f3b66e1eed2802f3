"""The structure of ``network:`` in the YAML: the star's links, and whose they are.

A rank's link is put together key by key: its own entry in ``overrides`` before its group's, that
before the general one, and this before the preset's.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from psim import ranks
from psim.errors import ConfigError, nearest
from psim.kinds import Kinds, Takes
from psim.paths import FilePath
from psim.presets import PRESETS
from psim.quantities import Bandwidth, Seconds
from psim.ranks import Ranks
from psim.registry import Model

LARGEST_LOSS = 0.5
Way = Literal["uplink", "downlink"]


class JitterConfig(Kinds):
    """Latency beyond the least, drawn for each message; ``none`` takes away a more general one."""

    kinds: ClassVar[dict[str, Takes]] = {
        "none": Takes(),
        "uniform": Takes(("high",), ("low",)),
        "normal": Takes(("mean", "std")),
        "lognormal": Takes(("median", "sigma")),
        "exponential": Takes(("mean",)),
    }

    kind: Literal["none", "uniform", "normal", "lognormal", "exponential"]
    low: Seconds | None = None
    high: Seconds | None = None
    mean: Seconds | None = None
    std: Seconds | None = None
    median: Seconds | None = None
    sigma: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> JitterConfig:
        if self.high is not None and self.high < (self.low or 0.0):
            raise ConfigError(f"high = {self.high:g} s is below low = {self.low:g} s")
        return self


class TraceConfig(Model):
    """A bandwidth that changes: a file of (time, bandwidth) rows, or Mahimahi's of packets.

    The run begins ``start`` into it. Rows hold from their time on, the last for ever, or all again
    after ``repeat``; Mahimahi's traces always repeat.
    """

    path: FilePath
    start: Seconds = 0.0
    repeat: Seconds | None = None


def _kind(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _path(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


class LinkConfig(Model):
    """One direction of a worker's line. What no level gives: unlimited, without latency or loss."""

    bandwidth: Bandwidth | None = None
    trace: Annotated[TraceConfig, BeforeValidator(_path)] | None = None
    latency: Seconds | None = None
    jitter: Annotated[JitterConfig, BeforeValidator(_kind)] | None = None
    loss: float | None = Field(None, ge=0, le=LARGEST_LOSS)

    @model_validator(mode="after")
    def _one_rate(self) -> LinkConfig:
        if self.bandwidth is not None and self.trace is not None:
            raise ConfigError("bandwidth and trace exclude each other: give one of the two")
        return self

    def over(self, general: LinkConfig) -> LinkConfig:
        """Key by key what stands here, else what `general` has. A bandwidth replaces a trace, and a
        trace a bandwidth.
        """
        given = {key: value for key, value in self if value is not None}
        kept = {key: value for key, value in general if value is not None}
        if "bandwidth" in given or "trace" in given:
            kept.pop("bandwidth", None)
            kept.pop("trace", None)
        return LinkConfig().model_copy(update={**kept, **given})


class MasterLinks(Model):
    """What all flows share at the master."""

    ingress: Bandwidth | None = None
    egress: Bandwidth | None = None


class Override(Model):
    """A rank's own line, in whole or in part."""

    uplink: LinkConfig | None = None
    downlink: LinkConfig | None = None


class Group(Override):
    """Lines of several ranks: ``0-3``, ``0-3, 7``."""

    ranks: Ranks


class Tcp(Model):
    """What of TCP is modelled."""

    slow_start: bool = False


class Network(Model):
    """The emulated star and its clock."""

    clock: Literal["real", "virtual", "none"] = "virtual"
    spin: bool = True
    preset: str | None = None
    uplink: LinkConfig = LinkConfig()
    downlink: LinkConfig = LinkConfig()
    master: MasterLinks = MasterLinks()
    groups: dict[str, Group] = Field(default_factory=dict)
    overrides: dict[int, Override] = Field(default_factory=dict)
    mtu: int = Field(1500, ge=576, le=65535)
    tcp: Tcp = Tcp()

    @model_validator(mode="after")
    def _known(self) -> Network:
        if self.preset is not None and self.preset not in PRESETS:
            raise ConfigError(
                f"{self.preset!r} is no preset; {nearest(self.preset, PRESETS)}", "preset"
            )
        grouped: dict[int, str] = {}
        for name, group in self.groups.items():
            for rank in group.ranks:
                if rank in grouped:
                    raise ConfigError(
                        f"rank {rank} is in {grouped[rank]!r} and in {name!r}: keep it in one",
                        "groups",
                    )
                grouped[rank] = name
        return self

    def check(self, workers: int) -> None:
        """Raises ConfigError where a rank is named that there isn't."""
        ranks.check(self.overrides, workers, "network.overrides")
        for name, group in self.groups.items():
            ranks.check(group.ranks, workers, f"network.groups.{name}.ranks")

    def links(self, way: Way, workers: int) -> list[LinkConfig]:
        """Every rank's link of one direction, put together."""
        general = self._general(way)
        links = [general] * workers
        for group in self.groups.values():
            own = getattr(group, way)
            joint = general if own is None else own.over(general)
            for rank in group.ranks:
                links[rank] = joint
        for rank, override in self.overrides.items():
            own = getattr(override, way)
            if own is not None:
                links[rank] = own.over(links[rank])
        return links

    def shared(self, way: Way) -> float:
        """The master's ingress, or its egress (bits/s)."""
        given = self.master.ingress if way == "uplink" else self.master.egress
        if given is None and self.preset is not None:
            given = PRESETS[self.preset].port
        return inf if given is None else given

    def _general(self, way: Way) -> LinkConfig:
        link: LinkConfig = getattr(self, way)
        if self.preset is None:
            return link
        preset = PRESETS[self.preset]
        rate = preset.up if way == "uplink" else preset.down
        return link.over(
            LinkConfig().model_copy(update={"bandwidth": rate, "latency": preset.latency})
        )
