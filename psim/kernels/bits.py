"""Codes of any width to a string of bits and back: the layout of `psim.wire.bits`.

Code j of width w is bits j·w to (j + 1)·w - 1, its lowest bit first; bit i is bit i mod 8 of byte
i // 8, counted from the lowest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled

Codes = NDArray[np.int32]
Bytes = NDArray[np.uint8]

GATHER = np.uint64(0x0102040810204080)
"""Times a word of eight bytes that are 0 or 1, it has these as the bits of its highest byte."""
TOP = np.uint64(56)
EIGHT = np.uint64(8)
HALF = np.uint64(32)


@compiled
def pack(codes: Codes, width: int, body: Bytes, first: int) -> None:
    """Write the lower ``width`` bits of codes as those number ``first`` and on of the string, whose
    bits from there on are 0.
    """
    if width == 1 and first % 8 == 0:
        _pack_bits(codes, body[first // 8 :])
        return
    at, filled = first * width // 8, np.uint64(first * width % 8)
    bits, step = np.uint64(body[at]), np.uint64(width)
    mask = (np.uint64(1) << step) - np.uint64(1)
    for code in codes:
        bits |= (np.uint64(code) & mask) << filled
        filled += step
        if filled >= HALF:
            for byte in range(4):
                body[at + byte] = np.uint8((bits >> np.uint64(8 * byte)) & np.uint64(255))
            at += 4
            bits >>= HALF
            filled -= HALF
    while filled > np.uint64(0):
        body[at] = np.uint8(bits & np.uint64(255))
        at += 1
        bits >>= EIGHT
        filled -= min(filled, EIGHT)


@compiled
def _pack_bits(codes: Codes, body: Bytes) -> None:
    """Codes of one bit, from the first bit of the first byte on."""
    filled = -(-len(codes) // 8)
    flags = np.zeros(8 * filled, np.uint8)
    for place in range(len(codes)):
        flags[place] = codes[place] & 1
    words = flags.view(np.uint64)
    for byte in range(filled):
        body[byte] = np.uint8((words[byte] * GATHER) >> TOP)


@compiled
def unpack(body: Bytes, width: int, first: int, signed: bool, codes: Codes) -> None:
    """The codes number ``first`` and on of the string, as many as there is place for; ``signed``:
    their highest bit is repeated.
    """
    if width == 1 and first % 8 == 0 and not signed:
        _unpack_bits(body[first // 8 :], codes)
        return
    step, at = np.uint64(width), first * width // 8
    used = np.uint64(first * width % 8)
    bits, filled = np.uint64(body[at]) >> used, EIGHT - used
    at += 1
    mask, spare = (np.uint64(1) << step) - np.uint64(1), 64 - width if signed else 0
    for place in range(len(codes)):
        if filled < step:
            if at + 4 <= len(body):
                for byte in range(4):
                    bits |= np.uint64(body[at + byte]) << (filled + np.uint64(8 * byte))
                at += 4
                filled += HALF
            else:
                while filled < step:
                    bits |= np.uint64(body[at]) << filled
                    at += 1
                    filled += EIGHT
        codes[place] = (np.int64(bits & mask) << spare) >> spare
        bits >>= step
        filled -= step


@compiled
def _unpack_bits(body: Bytes, codes: Codes) -> None:
    """Codes of one bit, from the first bit of the first byte on."""
    whole = len(codes) // 8
    for byte in range(whole):
        own, bits = codes[8 * byte : 8 * byte + 8], np.int32(body[byte])
        for bit in range(8):
            own[bit] = (bits >> bit) & 1
    for place in range(8 * whole, len(codes)):
        codes[place] = (body[whole] >> (place - 8 * whole)) & 1
