"""Files of bandwidths that change with time.

Two forms, told apart by the first line: rows of ``time, bandwidth`` (CSV; seconds and bits/s where
no unit stands there; a first row of names is passed over), and Mahimahi's packet deliveries
(mm-link(1)): one line for every 1500 bytes that may cross, with the millisecond of it, ascending;
the last one's time is the trace's length, after which it begins again. Here 1500 bytes cross during
the millisecond that ends then.
"""

from __future__ import annotations

import re
from math import inf
from pathlib import Path

import numpy as np

from psim import units
from psim.errors import ConfigError, DataError
from psim.net.trace import Trace

LARGEST_FILE = 64 << 20
"""Bytes of text; an hour at 200 Mbit/s in Mahimahi's form."""
PACKET = 1500 * 8  # bits of an opportunity: mm-link(1)
MILLISECOND = 1e-3
LONGEST = 24 * 3600 * 1000
"""Milliseconds of a Mahimahi trace: its last line says how much memory it takes."""


def read(path: str, repeat: float | None = None) -> Trace:
    """The trace in a file; ``repeat`` (s) is the period of one in rows. Raises DataError."""
    lines = _lines(Path(path))
    if not lines:
        raise DataError(f"{path}: is empty: write rows like '0, 10 Mbit/s'")
    if "," in lines[0][1]:
        return _rows(path, lines, repeat)
    if repeat is not None:
        raise DataError(f"{path}: a Mahimahi trace repeats after its last line: leave out repeat")
    return _packets(path, lines)


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{path}: larger than {LARGEST_FILE} B: is this a trace?")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file: give the path of a trace") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    numbered = enumerate(text.splitlines(), 1)
    return [(number, line) for number, line in numbered if line.strip() and line.strip()[0] != "#"]


def _rows(path: str, lines: list[tuple[int, str]], repeat: float | None) -> Trace:
    if lines[0][1].strip()[0].isalpha():
        lines = lines[1:]
    times: list[float] = []
    rates: list[float] = []
    for number, line in lines:
        time, rate = _row(path, number, line)
        if time != 0 if not times else time <= times[-1]:
            wanted = f"more than {times[-1]:g} s" if times else "0, the trace's beginning"
            raise DataError(f"{path}: line {number}: {time:g} s: must be {wanted}")
        times.append(time)
        rates.append(rate)
    if not times:
        raise DataError(f"{path}: has no rows: write rows like '0, 10 Mbit/s'")
    if repeat is not None and repeat <= times[-1]:
        raise DataError(f"{path}: goes on to {times[-1]:g} s: repeat = {repeat:g} s must be longer")
    if (rates[-1] if repeat is None else max(rates)) == 0:
        raise DataError(f"{path}: carries nothing in the end: end above 0, or give repeat")
    return Trace(times, rates, inf if repeat is None else repeat)


def _row(path: str, number: int, line: str) -> tuple[float, float]:
    """Seconds and bits/s."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != 2:
        raise DataError(f"{path}: line {number}: {len(cells)} cells: give a time and a bandwidth")
    time, rate = cells
    try:
        if rate[-1:].isdigit() or rate[-1:] == ".":
            rate += " bit/s"
        nothing = re.fullmatch(r"0[0.]*\s*[A-Za-z/]*", rate)
        return units.duration(time), 0.0 if nothing else units.bandwidth(rate)
    except ConfigError as error:
        raise DataError(f"{path}: line {number}: {error}") from None


def _packets(path: str, lines: list[tuple[int, str]]) -> Trace:
    last = 0
    instants: list[int] = []
    for number, line in lines:
        text = line.strip()
        if not (text.isascii() and text.isdigit()) or not last <= int(text[:12]) <= LONGEST:
            raise DataError(
                f"{path}: line {number}: {text[:40]!r}: in Mahimahi's form every line is a whole "
                "number of milliseconds and none is before the last; rows need a comma"
            )
        last = int(text)
        instants.append(last)
    if last == 0:
        raise DataError(f"{path}: ends at 0 ms: a trace must last for some time")
    # An opportunity at 0 is one at the period's end, but for the very first.
    counts = np.bincount(np.array(instants), minlength=last + 1)
    counts[last] += counts[0]
    rates = counts[1:] * (PACKET / MILLISECOND)
    begins = np.flatnonzero(np.diff(rates, prepend=-1.0))
    return Trace(begins * MILLISECOND, rates[begins], last * MILLISECOND)
