import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psim.errors import ConfigError
from psim.units import bandwidth, duration, nbytes, si


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (bandwidth, "10 Mbit/s", 1e7),
        (bandwidth, "10Mbit/s", 1e7),
        (bandwidth, " 1.5 Gbps ", 1.5e9),
        (bandwidth, "1 kB/s", 8e3),
        (bandwidth, "1 KiB/s", 8 * 1024),
        (bandwidth, "2e3 bit/s", 2e3),
        (duration, "20 ms", 0.02),
        (duration, "20", 20),
        (duration, 0.5, 0.5),
        (duration, "5 µs", 5e-6),
        (duration, "5 us", 5e-6),
        (duration, "10 min", 600),
        (duration, "2 h", 7200),
        (duration, 0, 0),
        (nbytes, "1 GB", 1e9),
        (nbytes, "1 GiB", 2**30),
        (nbytes, "7", 7),
        (nbytes, 1e6, 1e6),
    ],
)
def test_what_people_write(read, text, value):
    assert read(text) == pytest.approx(value, rel=1e-15)


NO_NUMBERS: list[object] = [None, [], True, -1, math.nan, math.inf]


@pytest.mark.parametrize("read", [bandwidth, duration, nbytes])
@pytest.mark.parametrize(
    "text",
    [*NO_NUMBERS, "", "ms", "-1 s", "1 fortnight", "1 2 s", "nan", "inf", "1e999", "1,5 s", "１ s"],
)
def test_what_is_no_quantity_names_the_value_and_an_example(read, text):
    with pytest.raises(ConfigError, match=r"write it like|use a finite number") as error:
        read(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("text", ["10 m", "1 bit/s", "3 GB"])
def test_a_unit_of_something_else_is_no_duration(text):
    with pytest.raises(ConfigError, match="has no unit of a duration: write it like 20 ms"):
        duration(text)


@pytest.mark.parametrize("nothing", ["0 Mbit/s", "0 bit/s"])
def test_a_bandwidth_of_nothing(nothing):
    with pytest.raises(ConfigError, match="sends nothing: use a bandwidth above 0"):
        bandwidth(nothing)


@pytest.mark.parametrize("rate", [10, 1e6])
def test_a_bandwidth_needs_its_unit(rate):
    """A bare number could be bits or bytes, or meant in millions."""
    with pytest.raises(ConfigError, match="has no unit of a bandwidth"):
        bandwidth(rate)


@given(st.floats(0, 1e18), st.sampled_from(["s", "ms", "µs"]))
def test_durations_scale(number, unit):
    scale = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]
    assert duration(f"{number!r} {unit}") == number * scale


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_an_input_error(text):
    for read in (bandwidth, duration, nbytes):
        try:
            assert 0 <= read(text) < math.inf
        except ConfigError:
            continue


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (12_345, "12.3 kB"),
        (1e6, "1 MB"),
        (-2e9, "-2 GB"),
        (3e15, "3e+03 TB"),
    ],
)
def test_numbers_for_people(value, shown):
    assert si(value, "B") == shown
