"""Break-even: the arithmetic on costs that are given, and a measurement that is really made."""

import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from psim.cli import psim
from psim.config import Config, parse
from psim.net.links import link_bytes
from psim.report.breakeven import PARTS, Comparison, Side, figure
from psim.sim.measure import Costs

CONFIG = {
    "rounds": 9,
    "workers": 3,
    "problem": {"name": "logistic", "dataset": "breast_cancer"},
    "method": "ef",
    "compressor": {"name": "topk", "k": 1},
    "network": {"uplink": {"bandwidth": "10 Mbit/s", "latency": "20 ms"}},
}


def config(**network: object) -> Config:
    return parse({**CONFIG, "network": {**CONFIG["network"], **network}})


def side(label: str, compress: float, up: int, **network: object) -> Side:
    costs = Costs(0.1, compress, 0.002, 0.003, 0.004, up, 1000)
    return Side(label, costs, config(**network))


def compared(compress: float, up: int = 10_000) -> Comparison:
    return Comparison(side("mine", compress, up), side("plain", 0.0, 1_000_000), 30)


def test_the_parts_are_those_of_a_round_on_the_network() -> None:
    latency, rate = 0.02, 10e6
    round = side("mine", 0.001, 10_000).round()
    assert tuple(round) == PARTS
    assert round["uplink"] == pytest.approx(8 * link_bytes(10_000) / rate + latency)
    assert round["downlink"] == round["wait"] == 0
    assert (round["compute"], round["compress"]) == (0.1, 0.001)
    assert round["serialize"] == pytest.approx(0.006)
    assert round["aggregate"] == 0.003
    shared = side("mine", 0.001, 10_000, master={"ingress": "10 Mbit/s"}).round()
    assert shared["uplink"] == pytest.approx(3 * 8 * link_bytes(10_000) / rate + latency)


def test_it_pays_where_what_is_saved_on_the_links_is_what_compressing_takes() -> None:
    saved = 8 * (link_bytes(1_000_000) - link_bytes(10_000))
    assert compared(0.05).bandwidth == pytest.approx(saved / 0.05, rel=1e-9)
    assert "compression pays below 166 Mbit/s" in compared(0.05).line()


def test_it_may_pay_always_or_never() -> None:
    assert compared(-1e-3).bandwidth == math.inf
    assert "at any bandwidth up to 1 Tbit/s" in compared(-1e-3).line()
    assert compared(1e6).bandwidth == 0
    assert "does not pay at any bandwidth" in compared(1e6).line()


def test_where_no_bytes_are_saved_noise_decides_nothing() -> None:
    for compress in (-1e-3, 1e-3):
        same = compared(compress, up=1_000_000)
        assert same.bandwidth == 0
        assert "nothing is compressed: as many bytes travel" in same.line()


def test_each_network_has_a_plain_side_of_its_own() -> None:
    one, again = compared(0.05), compared(0.04)
    faster = {"uplink": {"bandwidth": "1 Gbit/s"}}
    other = Comparison(
        side("other", 0.05, 10_000, **faster), side("plain", 0.0, 10**6, **faster), 9
    )
    drawn = figure([one, again, other]).axes[0]
    labels = [label.get_text() for label in drawn.get_yticklabels()]
    assert labels == ["mine", "mine", "other", "plain, as mine", "plain, as other"]
    assert len(figure([one, again]).axes[0].get_yticklabels()) == 3


def test_a_bar_is_as_long_as_its_round() -> None:
    comparison = compared(0.05)
    (axes,) = figure([comparison]).axes
    ends = [max(bar.get_x() + bar.get_width() for bar in axes.patches if bar.get_y() < middle)
            for middle in (0.0, 1.0)]  # fmt: skip
    assert ends[0] == pytest.approx(comparison.compressed.seconds())
    assert max(ends) == pytest.approx(comparison.plain.seconds())


def test_the_command_measures_both_sides_on_the_same_work(tmp_path: Path) -> None:
    path, out = tmp_path / "mine.yaml", tmp_path / "bars.png"
    path.write_text(
        "{rounds: 9, workers: 3, problem: {name: logistic, dataset: breast_cancer}, method: ef,"
        " compressor: {name: topk, k: 1}, step_size: {rule: theorem2},"
        " network: {uplink: {bandwidth: 1 Mbit/s}}}"
    )
    result = CliRunner().invoke(
        psim, ["breakeven", str(path), "--rounds", "4", "--out", str(out)], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert result.output.startswith("mine (ef, topk, n = 3, d = 30): compression ")
    assert out.stat().st_size > 1000
    lines = result.output.splitlines()
    wait = next(line for line in lines if line.startswith("wait"))
    assert wait.split()[1:] == ["0", "s", "0", "s"], "all workers' links are alike"
    up = next(line for line in lines if line.startswith("bytes up"))
    # An array's head and seven fields, an index and a float64; one field less and 30 floats; and a
    # frame's two bytes (docs/wire.md).
    assert up.split()[2:] == [str(8 + 1 + 8 + 2), "B", str(7 + 30 * 8 + 2), "B"]
