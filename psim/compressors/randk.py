"""Rand-k: k entries chosen uniformly at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from psim.compressors.base import (
    Compressor,
    Count,
    Guarantee,
    State,
    check_count,
    entries,
)
from psim.vectors import Payload, Sparse, torch

if TYPE_CHECKING:
    from psim.step import Step


class RandK(Compressor):
    """Keeps k entries chosen uniformly at random, each worker its own.

    ``scale: contractive`` sends them as they are: α = k/d, the unbiased compressor scaled by
    1/(1 + ω) (EF21, Lemma 6 and Example 2). ``scale: unbiased`` sends d/k times them:
    ω = d/k - 1.
    """

    name: ClassVar[str] = "randk"
    paper: ClassVar[str] = "Stich et al. 2018; EF21, Example 2"

    k: Count
    scale: Literal["contractive", "unbiased"] = "contractive"

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: float | None = None
    ) -> tuple[Payload, State]:
        size = vector.numel()
        k = entries(self.k, size)
        chosen = step.private("randk").choice(size, k, replace=False, shuffle=False)
        indices = torch.from_numpy(np.sort(chosen)).to(vector.device)
        values = vector[indices]
        return Sparse(
            size, indices, values * (size / k) if self.scale == "unbiased" else values
        ), state

    def guarantee(self, size: int) -> Guarantee:
        k = entries(self.k, size)
        if self.scale == "unbiased":
            return Guarantee("unbiased", size / k - 1)
        return Guarantee("contractive", k / size)

    def check(self, size: int) -> None:
        check_count(self.k, size)
