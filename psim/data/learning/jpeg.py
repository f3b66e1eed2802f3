"""Images as JPEG streams in an .npz file: ``train_jpeg`` (bytes, end to end), ``train_offsets``
(N + 1) and ``train_labels`` (N), and the same for ``test``. Pillow decodes them, where it is there.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from psim.errors import DataError

Arrays = Mapping[str, NDArray[np.generic]]


def decoded(
    arrays: Arrays, source: str, limits: Mapping[str, int | None]
) -> dict[str, NDArray[np.generic]]:
    """``x_train``, ``y_train`` and, where there is a test part, ``x_test``, ``y_test``; of each
    part no more than the first ``limits[part]``, where it is a number.

    DataError without Pillow, and where a stream is damaged or images differ in size.
    """
    found: dict[str, NDArray[np.generic]] = {}
    for part in ("train", "test"):
        if f"{part}_jpeg" in arrays:
            try:
                labels = arrays[f"{part}_labels"][: limits[part]]
                streams = _streams(arrays[f"{part}_jpeg"], arrays[f"{part}_offsets"])
                streams = streams[: limits[part]]
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{source}: its {part} part is damaged: {error}") from None
            found[f"x_{part}"] = _images(streams, source, part)
            found[f"y_{part}"] = labels
    return found


def _streams(joined: NDArray[np.generic], offsets: NDArray[np.generic]) -> list[bytes]:
    places = offsets.astype(np.int64)
    if joined.dtype != np.uint8 or joined.ndim != 1 or places.ndim != 1 or len(places) < 2:
        raise ValueError("it has no uint8 stream with offsets")
    if places[0] < 0 or places[-1] > len(joined) or np.any(np.diff(places) < 0):
        raise ValueError("its offsets are not ascending, or beyond the end")
    return [joined[start:end].tobytes() for start, end in pairwise(places)]


def _images(streams: list[bytes], source: str, part: str) -> NDArray[np.uint8]:
    """Shape (N, H, W, 3)."""
    images = [
        _image(stream, f"{source}: {part} image {number}") for number, stream in enumerate(streams)
    ]
    for number, image in enumerate(images):
        if image.shape != images[0].shape:
            raise DataError(
                f"{source}: {part} image {number} has shape {image.shape}, and the first one "
                f"{images[0].shape}: they must be the same"
            )
    return np.stack(images)


def _image(stream: bytes, source: str) -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            f"{source}: is a JPEG stream, which Pillow decodes: `pip install pillow`, or use "
            "images that are decoded already"
        ) from None
    try:
        with Image.open(io.BytesIO(stream), formats=["JPEG"]) as file:
            return np.asarray(file.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{source}: {error}") from None
