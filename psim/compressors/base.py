"""What a compressor is, and what it may promise."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, PlainSerializer, SerializeAsAny, ValidationInfo

from psim.errors import ConfigError
from psim.registry import Piece, build
from psim.vectors import add_scaled_

if TYPE_CHECKING:
    from psim.segments import Segments
    from psim.step import Step
    from psim.vectors import Payload, torch

State = object
"""What a compressor remembers from round to round; None for most."""
Level = int | float | str
"""Another value of a compressor's main parameter, for methods that change it while they run."""
Read = Callable[[str], NDArray[np.generic]]
"""The array in the .npy file of that path."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The class that a compressor belongs to, and its constant.

    contractive: E‖C(v) - v‖² ≤ (1 - α)‖v‖² (EF21, eq. 3); unbiased: E C(v) = v and
    E‖C(v) - v‖² ≤ ω‖v‖² (EF21, eq. 2); absolute: E‖C(v) - v‖² ≤ κ² (Sahu et al. 2021, Definition
    3). The constant is α, ω or κ². The first two follow the vector's scale, the last ignores it.
    """

    kind: Literal["contractive", "unbiased", "absolute"]
    constant: float

    @property
    def alpha(self) -> float | None:
        """The contraction factor α, where there is one."""
        return self.constant if self.kind == "contractive" else None

    @property
    def relative(self) -> bool:
        """Whether the error is bounded in terms of the vector, and not by a constant."""
        return self.kind != "absolute"


class Compressor(Piece, ABC):
    """A map C from vectors to payloads, on the vector's device.

    A compressor is written for one vector. With ``scope: layer`` every layer is compressed by
    itself, whatever the compressor: `psim.compressors.layers`.
    """

    scope: Literal["model", "layer"] = "model"

    sends: ClassVar[Literal["floats", "entries", "codes", "factors"]] = "floats"
    """What travels: all values, some entries, whole numbers for all entries, or matrices."""
    promises: ClassVar[str] = "nothing"
    """The classes of its guarantees and their constants, for ``psim list``."""
    leveled: ClassVar[str] = ""
    """The parameter that a level stands in for."""

    @abstractmethod
    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        """C(vector), and the state for the next call. The payload owns its memory."""

    def compress_difference(
        self,
        target: torch.Tensor,
        kept: torch.Tensor,
        state: State,
        step: Step,
        level: Level | None = None,
    ) -> tuple[Payload, State]:
        """`compress` of ``target`` - ``kept``: a compressor may do without that vector."""
        return self.compress(target - kept, state, step, level)

    def compress_after_adding(
        self,
        kept: torch.Tensor,
        vector: torch.Tensor,
        factor: float,
        state: State,
        step: Step,
        level: Level | None = None,
    ) -> tuple[Payload, State]:
        """kept ← kept + factor · vector, in place, a product, then a sum; and `compress` of it."""
        return self.compress(add_scaled_(kept, vector, factor), state, step, level)

    @abstractmethod
    def guarantee(self, size: int) -> Guarantee | None:
        """What holds for every vector of ``size`` entries, or None."""

    def check(self, size: int) -> None:
        """Raise ConfigError where the parameters do not fit vectors of ``size`` entries."""

    def kept(self, size: int) -> int:
        """The most values that it sends of a vector of ``size`` entries."""
        return size

    def indices(self, size: int, step: Step) -> torch.Tensor | None:
        """Which entries it sends in a round, where all ranks send the same ones: the rule of
        `psim.vectors.Shared`. Ascending, int64. None where there is no such rule.
        """
        return None

    def at(self, level: Level | None) -> Self:
        """The compressor at another level; itself where there is none. Raises ConfigError."""
        if level is None:
            return self
        if not self.leveled:
            raise ConfigError(f"{level!r}: compressor {self.name} has no level to change")
        return type(self).model_validate({**dict(self), self.leveled: level})

    def settled(self, size: int, step_size: float) -> Compressor:
        """With every parameter that follows from d and γ as a number."""
        return self

    def opened(self, read: Read, rounds: int) -> Compressor:
        """With the arrays of its files in place of their paths, for rounds 0 to T. Only the master
        reads: workers are told. Raises DataError.
        """
        return self

    def of_layer(self, index: int, segments: Segments) -> Compressor:
        """What compresses one of the layers. Raises ConfigError."""
        return self


BASE = Compressor


def _compressor(value: object, info: ValidationInfo) -> object:
    return value if isinstance(value, Compressor) else build("compressors", value, info.context)


AnyCompressor = Annotated[
    SerializeAsAny[Compressor],
    BeforeValidator(_compressor),
    PlainSerializer(lambda compressor: compressor.document()),
]
"""A compressor as a parameter of something else."""


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
