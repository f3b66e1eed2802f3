"""The structure of ``step_size.schedule`` in the YAML: how γ_t follows from γ and the round t."""

from __future__ import annotations

from math import cos, pi
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator

from psim.errors import ConfigError
from psim.kinds import Kinds, Takes


class Schedule(Kinds):
    """γ_t = γ s(t) for rounds t = 0, 1, …, T.

    ``constant``: s = 1. ``piecewise``: times ``factor`` (0.1 by default) in every round of ``at``,
    and from there on. ``inverse``: s = 1/(t + 1). ``cosine``: s falls from 1 to ``final`` (0 by
    default) at T along half a cosine (Loshchilov and Hutter 2017, equation 5, without restarts).
    With ``warmup`` W, piecewise and cosine begin with s = (t + 1)/W for t < W (Goyal et al. 2017,
    section 2.2); the cosine's fall begins at W. ``at`` and ``warmup`` count rounds, or epochs, as
    ``unit`` says.
    """

    kinds: ClassVar[dict[str, Takes]] = {
        "constant": Takes(),
        "piecewise": Takes(("at",), ("factor", "warmup")),
        "inverse": Takes(),
        "cosine": Takes((), ("final", "warmup")),
    }

    kind: Literal["constant", "piecewise", "inverse", "cosine"] = "constant"
    at: tuple[int, ...] | None = None
    factor: float | None = Field(None, gt=0)
    warmup: int | None = Field(None, ge=1)
    final: float | None = Field(None, ge=0, le=1)
    unit: Literal["rounds", "epochs"] = "rounds"

    @field_validator("at")
    @classmethod
    def _ascending(cls, at: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if at is not None and (at != tuple(sorted(set(at))) or not at or at[0] < 1):
            raise ConfigError(f"{list(at)}: give ascending rounds from 1, like [100, 200]")
        return at

    def in_rounds(self, per_epoch: int) -> Self:
        """The same, said in rounds, where an epoch has ``per_epoch`` of them."""
        if self.unit == "rounds":
            return self
        at = None if self.at is None else tuple(start * per_epoch for start in self.at)
        warmup = None if self.warmup is None else self.warmup * per_epoch
        return self.model_copy(update={"at": at, "warmup": warmup, "unit": "rounds"})

    def scale(self, round: int, rounds: int) -> float:
        """s(t) of round t, of T rounds."""
        warmup = self.warmup or 0
        if round < warmup:
            return (round + 1) / warmup
        if self.kind == "piecewise":
            assert self.at is not None, "the config is complete"
            passed = sum(round >= start for start in self.at)
            return float((0.1 if self.factor is None else self.factor) ** passed)
        if self.kind == "inverse":
            return 1.0 / (round + 1)
        if self.kind == "cosine":
            progress = min(1.0, (round - warmup) / max(1, rounds - warmup))
            final = self.final or 0.0
            return final + (1.0 - final) * 0.5 * (1.0 + cos(pi * progress))
        return 1.0
