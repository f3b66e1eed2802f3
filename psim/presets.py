"""Networks by name: what ``network.preset`` stands for, and where the numbers come from.

One-way latencies are half of the round trips published. No preset has jitter, losses or traces:
the sources give none that could be taken over as a distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

MBIT = 1e6
GBIT = 1e9


@dataclass(frozen=True, slots=True)
class Preset:
    """Bandwidths in bits/s, the latency of either direction in s. ``port`` is the master's ingress
    and egress (bits/s) where it is a machine like the others; None is unlimited.
    """

    up: float
    down: float
    latency: float
    port: float | None
    source: str


PRESETS = {
    "lan-1g": Preset(
        up=GBIT,
        down=GBIT,
        latency=250e-6,
        port=GBIT,
        source="Gigabit Ethernet (IEEE 802.3ab); round trip 0.5 ms (Dean, Designs, Lessons and "
        "Advice from Building Large Distributed Systems, LADIS 2009)",
    ),
    "datacenter-25g": Preset(
        up=25 * GBIT,
        down=25 * GBIT,
        latency=134e-6,
        port=25 * GBIT,
        source="25G Ethernet (IEEE 802.3by); median round trip between pods 268 µs (Guo et al., "
        "Pingmesh, SIGCOMM 2015, section 4)",
    ),
    "wan-100m": Preset(
        up=100 * MBIT,
        down=100 * MBIT,
        latency=45e-3,
        port=None,
        source="Fast Ethernet lines; round trip London to New York at most 90 ms (Verizon, "
        "transatlantic network latency guarantee)",
    ),
    "home-20m": Preset(
        up=20 * MBIT,
        down=100 * MBIT,
        latency=13e-3,
        port=None,
        source="fixed broadband as the FCC defines it (2024 Section 706 Report, FCC 24-27): 100 "
        "down, 20 up; mean round trip on cable 26 ms (FCC, Measuring Broadband America, July 2012)",
    ),
    "4g": Preset(
        up=13.6 * MBIT,
        down=14.7 * MBIT,
        latency=26.55e-3,
        port=None,
        source="means of 4G in five British cities: 14.7 down, 13.6 up, round trip 53.1 ms (Ofcom, "
        "Measuring mobile broadband performance in the UK, April 2015)",
    ),
    "satellite": Preset(
        up=3 * MBIT,
        down=25 * MBIT,
        latency=279e-3,
        port=None,
        source="geostationary: one way at the edge of the view 279 ms (RFC 2488, section 2); 25 "
        "down, 3 up: the FCC's benchmark of 2015, which such services are sold to meet",
    ),
}
