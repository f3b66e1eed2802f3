"""Traces in rows and in Mahimahi's form, and one line for each that is none."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from psim.data.traces import read
from psim.errors import DataError


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "trace"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize(
    "text",
    [
        "0,1e7\n1.5,0\n2,5e6\n",
        "time,bandwidth\n0, 10 Mbit/s\n1500 ms, 0\n\n2 s, 5 Mbit/s",
        "# measured on a train\n0,10000000\n1.5,0 bit/s\n2,625 kB/s",
    ],
)
def test_rows(written, text: str) -> None:
    trace = read(written(text))
    assert trace.times.tolist() == [0.0, 1.5, 2.0]
    assert trace.rates.tolist() == [1e7, 0.0, 5e6]
    assert trace.period == inf
    assert read(written(text), repeat=4.0).period == 4.0


def test_mahimahi_by_hand(written) -> None:
    """Two packets by 1 ms, none in the next, one each by 3, 4 and 5 ms; then all again."""
    trace = read(written("1\n1\n3\n4\n5\n"))
    assert trace.times == pytest.approx([0.0, 0.001, 0.002])
    assert trace.rates.tolist() == [24e6, 0.0, 12e6]
    assert trace.period == 0.005
    assert trace.finish([0.0], [5 * 12_000]) == pytest.approx(0.005)
    assert trace.finish([0.0], [50 * 12_000]) == pytest.approx(0.050)


def test_a_mahimahi_trace_of_one_line_is_12_mbit(written) -> None:
    trace = read(written("1\n"))
    assert (trace.rates.tolist(), trace.period) == ([12e6], 0.001)
    assert trace.finish([0.0], [12e6]) == pytest.approx(1.0)


def test_an_opportunity_at_0_comes_with_each_new_period(written) -> None:
    trace = read(written("0\n2\n"))
    assert trace.rates.tolist() == [0.0, 24e6]
    assert trace.mean == pytest.approx(12e6)


@pytest.mark.parametrize(
    ("text", "repeat", "wrong"),
    [
        ("", None, "is empty"),
        ("time,bandwidth\n", None, "has no rows"),
        ("1,1e6\n", None, "line 1: 1 s: must be 0"),
        ("0,1e6\n2,1e6\n2,1e6\n", None, "line 3: 2 s: must be more than 2 s"),
        ("0,1e6,3\n", None, "line 1: 3 cells"),
        ("0,fast\n", None, "line 1: 'fast' is not a bandwidth"),
        ("0,1e6\nsoon,1\n", None, "line 2: 'soon' is not a duration"),
        ("0,1e6\n1,nan\n", None, "line 2: 'nan' is not a bandwidth"),
        ("0,1e6\n1,-1\n", None, "line 2: '-1 bit/s' is not a bandwidth"),
        ("0,1e6\n1,0\n", None, "carries nothing in the end"),
        ("0,0\n", 3.0, "carries nothing in the end"),
        ("0,1e6\n5,1e6\n", 5.0, "goes on to 5 s: repeat = 5 s must be longer"),
        ("1\n2\n", 5.0, "repeats after its last line"),
        ("2\n1\n", None, "line 2: '1': in Mahimahi's form"),
        ("1\nx\n", None, "line 2: 'x': in Mahimahi's form"),
        ("-1\n", None, "line 1: '-1': in Mahimahi's form"),
        ("99999999999999\n", None, "line 1: '99999999999999': in Mahimahi's form"),
        ("0\n0\n", None, "ends at 0 ms"),
    ],
)
def test_what_is_no_trace(written, text: str, repeat: float | None, wrong: str) -> None:
    path = written(text)
    with pytest.raises(DataError) as error:
        read(path, repeat)
    assert wrong in str(error.value)
    assert str(error.value).startswith(path)


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(str(tmp_path / "none"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read(str(tmp_path / "bytes"))
