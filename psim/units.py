"""Quantities with units, as people write them: ``10 Mbit/s``, ``20 ms``, ``1 GB``.

Decimal prefixes are powers of 1000, as network rates and disk sizes are sold; ``Ki``, ``Mi`` and
``Gi`` are powers of 1024. Rates are in bits or bytes per second and come back in bits per second;
durations in seconds; sizes in bytes.
"""

from __future__ import annotations

import math
import re

from psim.errors import ConfigError

_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)\s*([A-Za-zµ/]*)\s*")
_PREFIXES = {
    "": 1.0,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
}
_DURATIONS = {"": 1.0, "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_DURATIONS |= {"h": 3600.0}


def _units(bases: dict[str, float]) -> dict[str, float]:
    return {p + base: f * size for base, size in bases.items() for p, f in _PREFIXES.items()}


_RATES = _units({"bit/s": 1.0, "bps": 1.0, "B/s": 8.0})
_SIZES = _units({"B": 1.0}) | {"": 1.0}


def _parse(value: object, units: dict[str, float], what: str, example: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number, unit = float(value), ""
    else:
        match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ConfigError(f"{value!r} is not a {what}: write it like {example}")
        number, unit = float(match[1]), match[2]
    if unit not in units:
        raise ConfigError(f"{value!r} has no unit of a {what}: write it like {example}")
    if not 0 <= number < math.inf:
        raise ConfigError(f"{value!r} is out of range for a {what}: use a finite number from 0 up")
    return number * units[unit]


def bandwidth(value: object) -> float:
    """Bits per second from ``"10 Mbit/s"``; must be above 0."""
    rate = _parse(value, _RATES, "bandwidth", "10 Mbit/s")
    if rate == 0:
        raise ConfigError(f"{value!r} sends nothing: use a bandwidth above 0, or leave it out")
    return rate


def duration(value: object) -> float:
    """Seconds from ``"20 ms"`` or a bare number of seconds."""
    return _parse(value, _DURATIONS, "duration", "20 ms")


def nbytes(value: object) -> float:
    """Bytes from ``"1 GB"`` or a bare number of bytes."""
    return _parse(value, _SIZES, "size", "1 GB")


def si(value: float, unit: str) -> str:
    """``si(12_345, "B") == "12.3 kB"``: three significant digits for tables and progress lines."""
    magnitude = float(f"{abs(value):.3g}")  # as it will be printed: 999,999 is 1 M
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if magnitude >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
