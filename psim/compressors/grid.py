"""Rounding to the multiples of a unit: what qsgd, terngrad, rounding and scaled integers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psim.vectors import torch

if TYPE_CHECKING:
    import numpy as np


def draws(vector: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    """A number in [0, 1) for each entry; float64, (d,)."""
    return torch.from_numpy(generator.random(vector.numel())).to(vector.device)


def width_of(most: int) -> int:
    """Bits of the narrowest signed code that holds -most to most; 1 for nothing but 0."""
    return (2 * most).bit_length() if most else 1


def units(norms: torch.Tensor, levels: int, top: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """norms/levels in ``dtype``, made larger by a rounding where ``levels`` of them would not reach
    the largest magnitude ``top`` otherwise, and the largest float where the norm of finite entries
    is none. Shapes (m,).
    """
    largest = torch.finfo(dtype).max
    finite = torch.where(top.isfinite(), norms.clamp(max=largest), norms)
    found = (finite / levels).to(dtype)
    short = found.double() * levels < top
    return torch.where(short, torch.nextafter(found, torch.full_like(found, torch.inf)), found)


def stochastic_codes(ratio: torch.Tensor, draw: torch.Tensor, most: int) -> torch.Tensor:
    """v/unit (float64, of any sign) rounded to one of its two neighbours, to each with the chance
    that makes the mean v/unit; int32, (d,), within ±most. 0 where it is no number.
    """
    size = ratio.abs().nan_to_num_(0.0, 0.0, 0.0)
    lower = size.floor()
    magnitude = (lower + (draw < size - lower)).clamp_(max=most)
    return torch.where(ratio < 0, -magnitude, magnitude).to(torch.int32)
