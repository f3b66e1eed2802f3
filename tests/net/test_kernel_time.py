"""Emulated times are those of the kernel's own shaping.

A token bucket of depth b and rate r lets b bytes pass at once and the rest at r: from a message's
first segment to its last S bytes on the link take max(0, S - b) / r there, and the emulated link,
which has no bucket, takes S / r. So the kernel's time plus b / r is the model's, where S > b.

What else goes on on this machine only adds to the kernel's time: the least of some runs counts, and
there are more of them while the machine is too busy to wake programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

import pytest
from net.exchange import Exchange, Timed, message
from net.namespaces import Place, Star, have_netem, missing

from psim.net.links import Link, link_bytes
from psim.net.timeline import Timeline
from psim.wire.encode import Encoded

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

RUNS = 4
MOST = 40
"""Runs that a machine gets to wake two programs in time once."""
WOKEN = 0.02
"""Seconds that this takes at most: some tenths of a millisecond, and more on a busy machine."""
CLOCK = 50e-6
"""Seconds by which a timestamp may be early: the bucket reads its clock before the packet's."""


@pytest.fixture(scope="module")
def connected() -> Iterator[Exchange]:
    with Star(8) as star, Exchange(star) as made:
        yield made


@pytest.fixture
def exchange(connected: Exchange) -> Iterator[Exchange]:
    yield connected
    assert connected.star.dropped() == 0
    connected.star.clear()


def least(
    exchange: Exchange,
    place: Place,
    sent: Encoded,
    ranks: Sequence[int],
    rest: float,
    latency: float = 0.0,
) -> float:
    """Seconds on the link. From one program to the other it takes little more than that and the
    latency.
    """
    found: list[Timed] = []
    link, program = 0.0, inf
    while len(found) < MOST and program - link >= WOKEN:
        found += exchange.timed(place, sent, ranks, RUNS, rest)
        link = min(each.link for each in found)
        program = min(each.seconds for each in found) - latency
    assert link <= program < link + WOKEN
    return link


def close_to(kernel: float, model: float, bound: float) -> None:
    """The kernel's time within a bound of the model's, and no shorter."""
    assert kernel >= model - CLOCK
    assert kernel == pytest.approx(model, rel=bound)


@pytest.mark.parametrize(
    ("rate", "nbytes", "bound"),
    [
        (1e6, 20_000, 0.015),
        (10e6, 20_000, 0.015),
        (10e6, 1_000_000, 0.005),
        (100e6, 300_000, 0.015),
        (100e6, 3_000_000, 0.005),
    ],
)
@pytest.mark.parametrize("place", ["uplink", "downlink"])
def test_a_message_on_a_link(
    exchange: Exchange, place: Place, rate: float, nbytes: int, bound: float
) -> None:
    star, sent = exchange.star, message(nbytes)
    full = 8 * star.shape(place, rate) / rate
    link = least(exchange, place, sent, [0], full)
    timeline = Timeline([Link(rate)], [Link(rate)])
    if place == "uplink":
        model = float(timeline.gather([0.0], sent.size.framed).arrived[0])
    else:
        model = float(timeline.broadcast(0.0, sent.size.framed)[0])
    close_to(link + full, model, bound)


@pytest.mark.parametrize("nbytes", [200, 1_000, 2_500, 4_000, 8_000])
def test_below_10_kb_a_bucket_is_its_formula(exchange: Exchange, nbytes: int) -> None:
    """max(0, S - b) / r: the kernel's bucket is no reference for the model there, only for this."""
    star, sent, rate = exchange.star, message(nbytes), 1e6
    burst = star.shape("uplink", rate)
    found = exchange.timed("uplink", sent, [0], RUNS, 8 * burst / rate)
    for each in found:
        assert each.nbytes == link_bytes(sent.size.framed)
    formula = max(0, link_bytes(sent.size.framed) - burst) * 8 / rate
    link = min(each.link for each in found)
    assert link == pytest.approx(formula, rel=0.005, abs=1e-3)


@pytest.mark.parametrize("place", ["ingress", "egress"])
@pytest.mark.parametrize("senders", [2, 3, 8])
def test_concurrent_messages_share_the_masters_link(
    exchange: Exchange, place: Place, senders: int
) -> None:
    """The last one is through when the shared link has carried all, each within its own link."""
    star, rate, sent = exchange.star, 20e6, message(60_000)
    full = 8 * star.shape(place, rate) / rate
    side: Place = "uplink" if place == "ingress" else "downlink"
    star.shape(side, rate)
    link = least(exchange, place, sent, range(senders), full)
    model = emulated(place, senders, Link(rate), rate, sent.size.framed)
    close_to(link + full, model, 0.005)


@pytest.mark.parametrize("place", ["uplink", "downlink"])
def test_concurrent_messages_that_do_not_fill_the_masters_link(
    exchange: Exchange, place: Place
) -> None:
    """Where the workers' own links are the narrow ones, four messages take what one takes."""
    star, rate, sent = exchange.star, 5e6, message(60_000)
    shared: Place = "ingress" if place == "uplink" else "egress"
    star.shape(shared, 4.5 * rate)
    full = 8 * star.shape(place, rate) / rate
    link = least(exchange, place, sent, range(4), full)
    model = emulated(shared, 4, Link(rate), 4.5 * rate, sent.size.framed)
    close_to(link + full, model, 0.015)


def test_latency_beside_a_shared_link(exchange: Exchange) -> None:
    """A worker's latency comes on top of what the shared link takes."""
    if not have_netem():
        pytest.skip("this kernel has no netem to delay packets (CONFIG_NET_SCH_NETEM)")
    star, rate, sent, latency = exchange.star, 20e6, message(60_000), 0.05
    star.delay("uplink", latency)
    full = 8 * star.shape("ingress", rate) / rate
    link = least(exchange, "ingress", sent, range(4), full, latency)
    model = emulated("ingress", 4, Link(latency=latency), rate, sent.size.framed)
    close_to(link + full, model - latency, 0.015)


def emulated(shared: Place, senders: int, link: Link, capacity: float, framed: int) -> float:
    """When the timeline has the last of the messages through."""
    up, down = (capacity, inf) if shared == "ingress" else (inf, capacity)
    timeline = Timeline([link] * senders, [link] * senders, up, down)
    if shared == "ingress":
        return float(timeline.gather([0.0] * senders, framed).arrived.max())
    return float(timeline.broadcast(0.0, framed).max())
