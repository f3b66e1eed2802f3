"""Emulated times are those of the kernel's own shaping.

A token bucket of depth b and rate r lets b bytes pass at once and the rest at r: from a message's
first segment to its last S bytes on the link take max(0, S - b) / r there, and the emulated link,
which has no bucket, takes S / r. So the kernel's time plus b / r is the model's, where S > b.

What else goes on on this machine only adds to the kernel's time: the least of some runs counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

import pytest
from net.exchange import Exchange, Timed, message
from net.namespaces import Place, Star, have_netem, missing

from psim.net.links import Link, link_bytes
from psim.net.timeline import Timeline

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

RUNS = 5
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


def least(found: Sequence[Timed]) -> tuple[float, float]:
    """On the link, and from one program to the other (s)."""
    return min(each.link for each in found), min(each.seconds for each in found)


def close_to(link: float, program: float, model: float, extra: float, bound: float) -> None:
    """The link's time within a bound of the model's; the programs' later, but little."""
    kernel = link + extra
    assert kernel >= model - CLOCK
    assert kernel == pytest.approx(model, rel=bound)
    # Two programs are woken, which takes some tenths of a millisecond and more on a busy machine.
    assert program >= link
    assert program - link < 0.02


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
    burst = star.shape(place, rate)
    found = exchange.timed(place, sent, [0], RUNS, 8 * burst / rate)
    timeline = Timeline([Link(rate)], [Link(rate)])
    if place == "uplink":
        model = float(timeline.gather([0.0], sent.size.framed).arrived[0])
    else:
        model = float(timeline.broadcast(0.0, sent.size.framed)[0])
    close_to(*least(found), model, 8 * burst / rate, bound)


@pytest.mark.parametrize("nbytes", [200, 1_000, 2_500, 4_000, 8_000])
def test_below_10_kb_a_bucket_is_its_formula(exchange: Exchange, nbytes: int) -> None:
    """max(0, S - b) / r: the kernel's bucket is no reference for the model there, only for this."""
    star, sent, rate = exchange.star, message(nbytes), 1e6
    burst = star.shape("uplink", rate)
    found = exchange.timed("uplink", sent, [0], RUNS, 8 * burst / rate)
    for each in found:
        assert each.nbytes == link_bytes(sent.size.framed)
    formula = max(0, link_bytes(sent.size.framed) - burst) * 8 / rate
    assert least(found)[0] == pytest.approx(formula, rel=0.005, abs=1e-3)


@pytest.mark.parametrize("place", ["ingress", "egress"])
@pytest.mark.parametrize("senders", [2, 3, 8])
def test_concurrent_messages_share_the_masters_link(
    exchange: Exchange, place: Place, senders: int
) -> None:
    """The last one is through when the shared link has carried all, each within its own link."""
    star, rate, sent = exchange.star, 20e6, message(60_000)
    burst = star.shape(place, rate)
    side: Place = "uplink" if place == "ingress" else "downlink"
    star.shape(side, rate)
    found = exchange.timed(place, sent, range(senders), RUNS, 8 * burst / rate)
    model = emulated(place, senders, Link(rate), rate, sent.size.framed)
    close_to(*least(found), model, 8 * burst / rate, 0.005)


@pytest.mark.parametrize("place", ["uplink", "downlink"])
def test_concurrent_messages_that_do_not_fill_the_masters_link(
    exchange: Exchange, place: Place
) -> None:
    """Where the workers' own links are the narrow ones, four messages take what one takes."""
    star, rate, sent = exchange.star, 5e6, message(60_000)
    shared: Place = "ingress" if place == "uplink" else "egress"
    star.shape(shared, 4.5 * rate)
    burst = star.shape(place, rate)
    found = exchange.timed(place, sent, range(4), RUNS, 8 * burst / rate)
    model = emulated(shared, 4, Link(rate), 4.5 * rate, sent.size.framed)
    close_to(*least(found), model, 8 * burst / rate, 0.015)


def test_latency_beside_a_shared_link(exchange: Exchange) -> None:
    """A worker's latency comes on top of what the shared link takes."""
    if not have_netem():
        pytest.skip("this kernel has no netem to delay packets (CONFIG_NET_SCH_NETEM)")
    star, rate, sent, latency = exchange.star, 20e6, message(60_000), 0.05
    star.delay("uplink", latency)
    burst = star.shape("ingress", rate)
    found = exchange.timed("ingress", sent, range(4), RUNS, 8 * burst / rate)
    model = emulated("ingress", 4, Link(latency=latency), rate, sent.size.framed)
    link, program = least(found)
    close_to(link, program - latency, model - latency, 8 * burst / rate, 0.015)


def emulated(shared: Place, senders: int, link: Link, capacity: float, framed: int) -> float:
    """When the timeline has the last of the messages through."""
    up, down = (capacity, inf) if shared == "ingress" else (inf, capacity)
    timeline = Timeline([link] * senders, [link] * senders, up, down)
    if shared == "ingress":
        return float(timeline.gather([0.0] * senders, framed).arrived.max())
    return float(timeline.broadcast(0.0, framed).max())
