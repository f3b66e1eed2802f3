"""Hard threshold (Sahu et al. 2021, "Rethinking gradient sparsification as total error
minimization"): every entry of magnitude λ or more.

Which entries are sent depends on each alone, so that layers together send what the model would. A
threshold has the units of what is compressed: a gradient for ef_sgd, x for ef.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from psim.compressors.base import (
    Compressor,
    Count,
    Guarantee,
    Level,
    State,
    check_count,
    entries,
)
from psim.errors import ConfigError, UsageError
from psim.kernels.choice import selection
from psim.registry import Model
from psim.vectors import Payload, Sparse, on_host, torch

if TYPE_CHECKING:
    from psim.step import Step


class Threshold(Model):
    """λ: a number, or one of the paper's rules.

    top_k: λ = 1/(2√k), to compare with Top-k (Appendix D). precision: λ = √ε/(γ√d), so that the
    noise dγ²λ² of compression is ε (Appendix C.3).
    """

    rule: Literal["constant", "top_k", "precision"]
    value: float | None = Field(None, ge=0)
    k: Count | None = None
    epsilon: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _complete(self) -> Threshold:
        wanted = {"constant": "value", "top_k": "k", "precision": "epsilon"}[self.rule]
        given = {key for key in ("value", "k", "epsilon") if getattr(self, key) is not None}
        if given != {wanted}:
            raise ConfigError(f"rule: {self.rule} needs {wanted}, and nothing else beside it")
        return self

    def number(self, size: int, step_size: float) -> float:
        """λ for vectors of d = ``size`` entries and the step size γ."""
        if self.value is not None:
            return self.value
        if self.k is not None:
            return 1.0 / (2.0 * sqrt(entries(self.k, size)))
        assert self.epsilon is not None
        return sqrt(self.epsilon) / (step_size * sqrt(size))


def _threshold(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"rule": "constant", "value": value}
    if isinstance(value, dict | Threshold):
        return value
    raise ConfigError(
        f"{value!r}: give a number, {{rule: top_k, k: 10}} or {{rule: precision, epsilon: 5e-12}}"
    )


def _document(threshold: Threshold) -> object:
    if threshold.value is not None:
        return threshold.value
    return threshold.model_dump(mode="json", exclude_none=True)


class HardThreshold(Compressor):
    """Keeps the entries of magnitude λ or more, however many these are. Absolute: κ² = dλ²."""

    name: ClassVar[str] = "hard_threshold"
    paper: ClassVar[str] = "Strom 2015; Sahu et al. 2021, section 4"
    sends = "entries"
    promises: ClassVar[str] = "absolute: κ² = d λ²"
    leveled: ClassVar[str] = "threshold"

    threshold: Annotated[Threshold, BeforeValidator(_threshold), PlainSerializer(_document)]

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        value = self.at(level).threshold.value
        if value is None:
            raise UsageError(f"rule {self.threshold.rule}: no number before settled() is called")
        return Sparse(vector.numel(), *_at_least(vector, value)), state

    def guarantee(self, size: int) -> Guarantee | None:
        """None for a rule before the step size is known."""
        if self.threshold.value is None:
            return None
        return Guarantee("absolute", size * self.threshold.value**2)

    def check(self, size: int) -> None:
        if self.threshold.k is not None:
            check_count(self.threshold.k, size)

    def settled(self, size: int, step_size: float) -> HardThreshold:
        return type(self)(scope=self.scope, threshold=self.threshold.number(size, step_size))


def _at_least(vector: torch.Tensor, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices and values of the entries that are not below: NaN is sent, so that a run that
    diverges is seen.
    """
    if on_host(vector):
        indices, values = selection(vector.numel()).at_least(vector.numpy(), threshold)
        return torch.from_numpy(indices), torch.from_numpy(values)
    kept = torch.nonzero(~(vector.abs() < threshold)).flatten()
    return kept, vector.index_select(0, kept)
