"""Norms that are the same floats on every device, and that neither overflow nor vanish on the way.

A sum is folded: the second half is added to the first, again and again. Each fold is an addition
entry by entry, which all devices round alike, whereas their own sums add in orders of their own.
Rows are divided by their largest magnitude before anything is squared or added.

Vectors are cut into rows of ``length`` entries, the last one filled up with 0. Compiled code folds
long ones on the host, without a copy of them.
"""

from __future__ import annotations

from psim.quantized import is_long
from psim.vectors import torch


def largest(vector: torch.Tensor, length: int) -> torch.Tensor:
    """max_j |row_j| of each row, float64; NaN where there is one. Shape (m,)."""
    if is_long(vector):
        from psim.kernels import norms

        return torch.from_numpy(norms.largest(vector.numpy(), length))
    return _in_rows(vector, length).abs().amax(1).double()


def euclidean(vector: torch.Tensor, length: int, top: torch.Tensor) -> torch.Tensor:
    """‖row‖₂ of each row, float64, given their `largest`. Shape (m,)."""
    if is_long(vector):
        from psim.kernels import norms

        squares = norms.folded(vector.numpy(), length, top.numpy(), squared=True)
        return top * torch.from_numpy(squares).sqrt()
    return top * folded(_normalized(_in_rows(vector, length), top).square_()).sqrt()


def mean_magnitude(vector: torch.Tensor, side: int = 0, count: int | None = None) -> torch.Tensor:
    """‖v‖₁/d, float64, NaN where an entry is; or the mean of the ``count`` entries below 0
    (``side`` -1) or of those that are not (1), in whose sum the others are 0. Shape (1,).
    """
    size = vector.numel()
    # A tensor: dividing by a number, some devices multiply by its reciprocal.
    divisor = torch.tensor([count or size], dtype=torch.float64, device=vector.device)
    if is_long(vector):
        from psim.kernels import norms

        top = torch.from_numpy(norms.largest(vector.numpy(), size, side))
        found = norms.folded(vector.numpy(), size, top.numpy(), squared=False, side=side)
        return top * (torch.from_numpy(found) / divisor)
    if side:
        chosen = (vector < 0) == (side < 0)
        vector = torch.where(chosen, vector, torch.zeros_like(vector))
    row = _in_rows(vector, size)
    top = row.abs().amax(1).double()
    return top * (folded(_normalized(row, top)) / divisor)


def folded(rows: torch.Tensor) -> torch.Tensor:
    """The sum of each row; overwrites the rows. Shape (m, n) to (m,)."""
    count = rows.shape[1]
    while count > 1:
        half = (count + 1) // 2
        rows[:, : count - half] += rows[:, half:count]
        count = half
    return rows[:, 0]


def _in_rows(vector: torch.Tensor, length: int) -> torch.Tensor:
    size = vector.numel()
    if length >= size:
        return vector.view(1, size)
    rows = -(-size // length)
    filled = vector.new_zeros(rows * length)
    filled[:size] = vector
    return filled.view(rows, length)


def _normalized(rows: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
    """|rows| over their largest, float64; rows of zeros stay."""
    divisor = torch.where(top == 0, torch.ones_like(top), top)
    return rows.abs().double() / divisor[:, None]
