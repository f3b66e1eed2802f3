"""Raw little-endian buffers to tensors: of one message, or of many that have the same shape.

``raw`` are bytes (uint8) with the last axis contiguous: a buffer, or a table of one buffer a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from psim.errors import WireError
from psim.vectors import torch
from psim.wire.layout import INLINE, TYPES, index_width

Bytes = NDArray[np.uint8]

INDEX_TYPES = {width: np.dtype(f"<u{width}") for width in (1, 2, 4)}
VALUE_TYPES = tuple(np.dtype("<i2" if name == "bfloat16" else name) for name in TYPES)


def indices(raw: Bytes, size: int) -> NDArray[np.int64]:
    """Indices into vectors of ``size`` entries. Raises WireError where they don't increase strictly
    below it.
    """
    found = raw.view(INDEX_TYPES[index_width(size)]).astype(np.int64)
    count = found.shape[-1]
    if (count and (found[..., -1] >= size).any()) or (
        count > 1 and not (found[..., 1:] > found[..., :-1]).all()
    ):
        raise WireError(f"indices that do not increase strictly below {size}")
    return found


def numbers(raw: Bytes, type_code: int) -> NDArray[Any]:
    """Values of the type with this code, of bfloat16 the bits. Small ones are copied, so that they
    are aligned and don't keep a frame alive; large ones are a view.
    """
    array = raw.view(VALUE_TYPES[type_code])
    view = array.nbytes > INLINE and array.ndim == 1 and array.flags.writeable
    return array if view else array.copy()


def values(raw: Bytes, type_code: int) -> torch.Tensor:
    """The same as a tensor."""
    tensor = torch.from_numpy(numbers(raw, type_code))
    return tensor.view(torch.bfloat16) if TYPES[type_code] == "bfloat16" else tensor
