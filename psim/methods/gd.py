"""Distributed gradient descent: every worker sends its whole gradient.

x^{t+1} = x^t - (γ/n) Σ ∇f_i(x^t)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from psim.errors import ConfigError
from psim.methods.base import Iterate, Master, Method, Worker
from psim.methods.dcgd import CompressedGradient, Descent, MeanOfSome
from psim.vectors import torch

if TYPE_CHECKING:
    from psim.compressors.base import Compressor


class GD(Method):
    """Gradient descent with whole gradients."""

    name: ClassVar[str] = "gd"
    paper: ClassVar[str] = "Cauchy 1847"
    partial: ClassVar[bool] = True
    optimized: ClassVar[bool] = True

    def check(self, compressor: Compressor) -> None:
        if compressor.name != "identity":
            raise ConfigError(
                f"{compressor.name!r}: method gd sends whole gradients, so use compressor: "
                "{name: identity}, or method: {name: dcgd}",
                "compressor.name",
            )

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return Descent(x0)

    def worker(self, x0: torch.Tensor) -> Worker:
        return CompressedGradient()

    def master(self, x0: torch.Tensor, workers: int) -> Master:
        return MeanOfSome(torch.empty_like(x0))
