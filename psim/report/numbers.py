"""Numbers as a reader wants them: three significant digits, SI prefixes, and spreads.

Each function takes the mean over seeds and its standard deviation; a deviation that is None (one
seed), 0 or mere rounding (all alike) is not shown.
"""

from __future__ import annotations

import math

MISSING = "–"
_LARGE = [(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P")]
_SMALL = [(1e-6, "µ"), (1e-3, "m"), (1.0, "")]


def count(mean: float, std: float | None = None) -> str:
    """``2000``, or ``1999.3 ± 0.58`` as a mean over seeds."""
    return _with(f"{mean:.0f}" if mean == round(mean) else f"{mean:.1f}", std)


def scientific(mean: float, std: float | None = None) -> str:
    """``1.23e-05``, or ``1.23e-05 ± 4.5e-06``: what spans decades."""
    return f"{mean:.2e} ± {std:.1e}" if std else f"{mean:.2e}"


def number(mean: float, std: float | None = None) -> str:
    """``1.83``, or ``1.830 ± 0.021``: what stays within a few decades of 1."""
    digits = _decimals(std, 2) if std else _decimals(mean, 3)
    return _with(f"{mean:.{digits}f}", std)


def percent(mean: float, std: float | None = None) -> str:
    """A share as ``71.3 %``, or ``71.3 ± 0.4 %``."""
    return f"{_with(f'{100 * mean:.1f}', 100 * std if std else None)} %"


def quantity(mean: float, std: float | None = None, *, unit: str) -> str:
    """``12.0 kB``, or ``12.0 ± 0.31 kB``. Seconds have small prefixes, counts have large ones."""
    factor, prefix = _scale(mean, _SMALL if unit == "s" else _LARGE)
    scaled = mean / factor
    whole = unit != "s" and not prefix and scaled == round(scaled)
    text = f"{scaled:.0f}" if whole or not scaled else f"{scaled:.{_decimals(scaled, 3)}f}"
    return f"{_with(text, std / factor if std else None)} {prefix if scaled else ''}{unit}"


def _with(text: str, std: float | None) -> str:
    shown = f"{std:.{_decimals(std, 2)}f}" if std else "0"
    return f"{text} ± {shown}" if float(shown) else text


def _scale(value: float, prefixes: list[tuple[float, str]]) -> tuple[float, str]:
    """The largest unit of which ``value``, rounded to three digits, has at least one."""
    rounded = float(f"{abs(value):.3g}")
    fitting = [entry for entry in prefixes if rounded >= entry[0]]
    return fitting[-1] if fitting else prefixes[0]


def _decimals(value: float, digits: int) -> int:
    """Places after the point that give ``value`` so many significant digits."""
    if not math.isfinite(value):
        return 0
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])
    return min(max(0, digits - 1 - exponent), 9)
