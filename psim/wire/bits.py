"""Codes of any width as a string of bits.

Code j of width w is bits j·w to (j + 1)·w - 1 of the string, its lowest bit first; bit i of the
string is bit i mod 8 of byte i // 8, counted from the lowest. The last byte is filled up with 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.errors import WireError
from psim.wire.layout import Buffer

_WORD = 64
_WHOLE: dict[int, np.dtype[np.unsignedinteger]] = {
    width: np.dtype(f"<u{width // 8}") for width in (8, 16, 32)
}


def packed_length(count: int, width: int) -> int:
    """Bytes of ``count`` codes of ``width`` bits."""
    return -(-count * width // 8)


def pack(codes: NDArray[np.uint32], width: int) -> NDArray[np.uint8]:
    """The bytes of codes below 2^width; 1 <= width <= 32."""
    if width in _WHOLE:
        return codes.astype(_WHOLE[width]).view(np.uint8)
    # 64 codes fill whole 64-bit words, and all groups of 64 are alike.
    groups = -(-codes.size // _WORD)
    padded = np.zeros(groups * _WORD, dtype=np.uint64)
    padded[: codes.size] = codes
    rows = np.ascontiguousarray(padded.reshape(groups, _WORD).T)
    words = np.zeros((width, groups), dtype=np.uint64)
    for row in range(_WORD):
        word, shift = divmod(row * width, _WORD)
        words[word] |= rows[row] << np.uint64(shift)
        if shift + width > _WORD:
            words[word + 1] |= rows[row] >> np.uint64(_WORD - shift)
    written = np.ascontiguousarray(words.T, dtype="<u8").view(np.uint8).ravel()
    return written[: packed_length(codes.size, width)]


def unpack(body: Buffer, count: int, width: int) -> NDArray[np.uint32]:
    """The codes in ``packed_length(count, width)`` bytes. Raises WireError where the bits after the
    last code are not 0.
    """
    if width in _WHOLE:
        return np.frombuffer(body, dtype=_WHOLE[width]).astype(np.uint32)
    check_end(body, count, width)
    groups = -(-count // _WORD)
    padded = np.zeros(groups * width * 8, dtype=np.uint8)
    padded[: len(body)] = np.frombuffer(body, dtype=np.uint8)
    words = padded.view("<u8").reshape(groups, width).T.astype(np.uint64)
    rows = np.empty((_WORD, groups), dtype=np.uint64)
    for row in range(_WORD):
        word, shift = divmod(row * width, _WORD)
        rows[row] = words[word] >> np.uint64(shift)
        if shift + width > _WORD:
            rows[row] |= words[word + 1] << np.uint64(_WORD - shift)
    mask = np.uint64(2**width - 1)
    return (rows & mask).T.ravel()[:count].astype(np.uint32)


def check_end(body: Buffer, count: int, width: int) -> None:
    """Raise WireError where the bits after the last code are not 0."""
    filled = count * width % 8
    if filled and body[-1] >> filled:
        raise WireError("bits after the last code")
