"""The emulated seconds of a small run, by hand."""

import pytest
from playing import Played, play

SIZE = 10
DOWN = 8 * (87 + 2 + 66)  # bits of x^t on the link: payload, ZMTP's two bytes, the headers
UP = 8 * (17 + 2 + 66)  # bits of a Top-1 message
COMPUTE = 0.004
NETWORK = {
    "uplink": {"bandwidth": "1 Mbit/s", "latency": "10 ms"},
    "downlink": {"bandwidth": "2 Mbit/s", "latency": "5 ms"},
}


def run(network: dict[str, object], workers: int = 1, **more: object) -> Played:
    return play(
        {
            "rounds": 4,
            "workers": workers,
            "problem": {"name": "quadratic", "dimension": SIZE},
            "method": "ef21",
            "start": {"kind": "normal"},
            "compressor": {"name": "topk", "k": 1},
            "step_size": 0.1,
            "network": network,
            "compute": {"kind": "constant", "seconds": COMPUTE},
            **more,
        }
    )


def times(played: Played) -> list[float | None]:
    return [row["time"] for row in played.rows]


def test_a_round_is_the_broadcast_the_computing_and_the_message() -> None:
    round_trip = DOWN / 2e6 + 0.005 + COMPUTE + UP / 1e6 + 0.010
    # x^0 is on the timeline too: row 1's event comes when the messages at x^0 are all there.
    assert times(run(NETWORK)) == pytest.approx([t * round_trip for t in range(5)], rel=1e-12)


def test_workers_with_lines_of_their_own_take_no_longer() -> None:
    assert times(run(NETWORK, workers=5)) == pytest.approx(times(run(NETWORK)), rel=1e-12)


def test_the_slowest_worker_sets_the_pace() -> None:
    slow = {"uplink": {"bandwidth": "0.1 Mbit/s", "latency": "1 s"}}
    round_trip = DOWN / 2e6 + 0.005 + COMPUTE + UP / 1e5 + 1.0
    found = times(run({**NETWORK, "overrides": {2: slow}}, workers=4))
    assert found == pytest.approx([t * round_trip for t in range(5)], rel=1e-12)


def test_flows_share_what_the_master_has() -> None:
    network = {"master": {"ingress": "1 Mbit/s", "egress": "4 Mbit/s"}}
    round_trip = 4 * DOWN / 4e6 + COMPUTE + 4 * UP / 1e6
    found = times(run(network, workers=4))
    assert found == pytest.approx([t * round_trip for t in range(5)], rel=1e-12)


def test_a_link_without_limits_costs_nothing() -> None:
    assert times(run({})) == pytest.approx([t * COMPUTE for t in range(5)], rel=1e-12)


def test_without_a_clock_there_is_no_emulated_time() -> None:
    assert times(run({**NETWORK, "clock": "none"})) == [None] * 5


def test_diagnostics_cost_nothing_on_the_timeline() -> None:
    often, seldom = run(NETWORK), run(NETWORK, metrics={"every": 4})
    assert times(seldom) == [times(often)[0], times(often)[4]]


def test_the_clock_of_the_network_moves_no_iterate() -> None:
    with_links, without = run(NETWORK, 3), run({"clock": "none"}, 3)
    for x, y in zip(with_links.iterates, without.iterates, strict=True):
        assert x.tobytes() == y.tobytes()
