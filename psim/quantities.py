"""Quantities as fields of the config: read with their units, written back exactly."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from psim import units

UNLIMITED = "unlimited"


def _rate(value: object) -> float:
    return math.inf if value == UNLIMITED else units.bandwidth(value)


def _rate_text(rate: float) -> str:
    """With its unit, and exact."""
    if rate == math.inf:
        return UNLIMITED
    text = units.si(rate, "bit/s")
    return text if units.bandwidth(text) == rate else f"{rate!r} bit/s"


Bandwidth = Annotated[
    float, Field(allow_inf_nan=True), BeforeValidator(_rate), PlainSerializer(_rate_text)
]
"""Bits per second; infinite where it is ``unlimited``."""
Seconds = Annotated[float, BeforeValidator(units.duration)]
Bytes = Annotated[float, BeforeValidator(units.nbytes)]
