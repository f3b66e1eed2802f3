"""What a compressor is, and what it may promise."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from psim.errors import ConfigError
from psim.registry import Piece

if TYPE_CHECKING:
    from psim.step import Step
    from psim.vectors import Payload, torch

State = object
"""What a compressor remembers from round to round; None for most."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The class that a compressor belongs to, and its constant.

    contractive: E‖C(v) - v‖² ≤ (1 - α)‖v‖² (EF21, eq. 3); unbiased: E C(v) = v and
    E‖C(v) - v‖² ≤ ω‖v‖² (EF21, eq. 2); absolute: E‖C(v) - v‖² ≤ κ².
    """

    kind: Literal["contractive", "unbiased", "absolute"]
    constant: float

    @property
    def alpha(self) -> float | None:
        """The contraction factor α, where there is one."""
        return self.constant if self.kind == "contractive" else None


class Compressor(Piece, ABC):
    """A map C from vectors to payloads, on the vector's device."""

    scope: Literal["model"] = "model"

    @abstractmethod
    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: float | None = None
    ) -> tuple[Payload, State]:
        """C(vector), and the state for the next call. The payload owns its memory."""

    @abstractmethod
    def guarantee(self, size: int) -> Guarantee | None:
        """What holds for every vector of ``size`` entries, or None."""

    def check(self, size: int) -> None:
        """Raise ConfigError where the parameters do not fit vectors of ``size`` entries."""


BASE = Compressor


def _is_count(value: object) -> object:
    if isinstance(value, str):
        _percentage(value)
    elif type(value) is not int or value < 1:
        raise ConfigError(f"{value!r} is no count: use a whole number from 1, or a percentage")
    return value


def _percentage(text: str) -> Fraction:
    try:
        share = Fraction(text.removesuffix("%").strip()) / 100
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not text.endswith("%") or not 0 < share <= 1:
        raise ConfigError(f'{text!r} is no share: write a count like 10, or a percentage like "1%"')
    return share


Count = Annotated[int | str, Field(union_mode="left_to_right"), BeforeValidator(_is_count)]
"""How many entries: a count, or a percentage of the vector's size (at least one entry)."""


def entries(k: int | str, size: int) -> int:
    """The count that ``k`` means for a vector of ``size`` entries; a share is rounded down."""
    if isinstance(k, int):
        return k
    return max(1, math.floor(_percentage(k) * size))


def check_count(k: int | str, size: int) -> None:
    """Raise ConfigError where more entries are to be kept than there are."""
    if isinstance(k, int) and k > size:
        raise ConfigError(
            f"{k} exceeds the vector's size {size}: use k <= {size}, or a percentage",
            "compressor.k",
        )
