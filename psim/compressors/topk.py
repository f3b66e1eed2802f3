"""Top-k: the k entries of largest magnitude.

Ties go to the lowest index, on every device. The rule matters: data with equal columns have
gradients with equal entries, and which of them is sent changes the whole trajectory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from psim.compressors.base import (
    Compressor,
    Count,
    Guarantee,
    Level,
    State,
    check_count,
    entries,
)
from psim.kernels.choice import selection
from psim.vectors import Payload, Sparse, on_host, torch

if TYPE_CHECKING:
    from psim.step import Step


class TopK(Compressor):
    """Keeps the k entries of largest magnitude, ties to the lowest index. Contraction: α = k/d."""

    name: ClassVar[str] = "topk"
    paper: ClassVar[str] = "Alistarh et al. 2018; EF21, Example 1"
    sends = "entries"
    promises: ClassVar[str] = "contractive: α = k/d"
    leveled: ClassVar[str] = "k"

    k: Count

    def compress(
        self, vector: torch.Tensor, state: State, step: Step, level: Level | None = None
    ) -> tuple[Payload, State]:
        k = self.at(level).kept(vector.numel())
        return Sparse(vector.numel(), *largest(vector, k)), state

    def compress_difference(
        self,
        target: torch.Tensor,
        kept: torch.Tensor,
        state: State,
        step: Step,
        level: Level | None = None,
    ) -> tuple[Payload, State]:
        size, k = kept.numel(), self.at(level).kept(kept.numel())
        if not _selected_on_host(k, target, kept):
            return super().compress_difference(target, kept, state, step, level)
        found = selection(size, k).largest_of_difference(target.numpy(), kept.numpy(), k)
        return Sparse(size, *map(torch.from_numpy, found)), state

    def compress_after_adding(
        self,
        kept: torch.Tensor,
        vector: torch.Tensor,
        factor: float,
        state: State,
        step: Step,
        level: Level | None = None,
    ) -> tuple[Payload, State]:
        size, k = kept.numel(), self.at(level).kept(kept.numel())
        if not _selected_on_host(k, vector, kept):
            return super().compress_after_adding(kept, vector, factor, state, step, level)
        found = selection(size, k).largest_of_sum(kept.numpy(), vector.numpy(), factor, k)
        return Sparse(size, *map(torch.from_numpy, found)), state

    def guarantee(self, size: int) -> Guarantee:
        return Guarantee("contractive", self.kept(size) / size)

    def kept(self, size: int) -> int:
        return entries(self.k, size)

    def check(self, size: int) -> None:
        check_count(self.k, size)


def largest(vector: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k entries of largest magnitude (ties: lowest index): their indices, ascending and int64,
    and their values; both of shape (k,), on the vector's device, in memory of their own.

    A selection in O(d), not a sort. NaN counts as infinite, so that a run that diverges is sent,
    and seen, rather than hidden.
    """
    if k >= vector.numel():
        return torch.arange(vector.numel(), device=vector.device), vector.clone()
    if on_host(vector):
        indices, values = selection(vector.numel(), k).largest(vector.numpy(), k)
        return torch.from_numpy(indices), torch.from_numpy(values)
    found = _largest_torch(vector, k)
    return found, vector.index_select(0, found)


def _selected_on_host(k: int, vector: torch.Tensor, kept: torch.Tensor) -> bool:
    """Whether a kernel can make the vector to be compressed from these two."""
    return k < kept.numel() and kept.dtype == vector.dtype and on_host(kept) and on_host(vector)


def _largest_torch(vector: torch.Tensor, k: int) -> torch.Tensor:
    """Their indices, without leaving the device."""
    magnitude = vector.abs().nan_to_num(nan=float("inf"), posinf=float("inf"))
    threshold = torch.topk(magnitude, k, sorted=False).values.min()
    above = torch.nonzero(magnitude > threshold).flatten()
    tied = torch.nonzero(magnitude == threshold).flatten()[: k - above.numel()]
    return torch.cat([above, tied]).sort().values
