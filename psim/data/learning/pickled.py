"""The arrays in the *python version* of CIFAR, read without running what a pickle asks for.

Those archives hold pickles (protocol 2, written by Python 2) of a dictionary with a uint8 array and
a list of labels. A pickle may name any function to call. Here it may name the three that such an
array needs, and gets inert stand-ins for them, which keep what they are told; shape, type and size
are then checked, and the bytes read as uint8. Anything else it names is an error.
"""

from __future__ import annotations

import io
import math
import pickle
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.errors import DataError


class Batch(NamedTuple):
    """``pixels``: uint8, shape (N, 3072); ``labels``: int64, shape (N,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def read(content: bytes, key: bytes, source: str) -> Batch:
    """The pixels under ``data`` and the labels under ``key``. DataError names the ``source``."""
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        pixels = found[b"data"].array()
        labels = np.array(found[key])
    except Exception as error:  # noqa: BLE001 - a damaged pickle may raise anything
        cause = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"{source}: is no batch of the python version of CIFAR: {cause}. The binary version "
            "does as well: `psim data get` fetches it"
        ) from None
    if labels.shape != pixels.shape[:1] or labels.dtype.kind != "i":
        raise DataError(f"{source}: has labels of shape {labels.shape} for {len(pixels)} images")
    return Batch(pixels, labels.astype(np.int64))


class _Reader(pickle.Unpickler):
    """Knows three names, by the path that numpy had when the archives were written."""

    def find_class(self, module_name: str, global_name: str, /) -> object:
        try:
            return _STAND_INS[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}") from None


class _Type:
    """In place of numpy.dtype; its state, the byte order, does not matter to single bytes."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Nothing is needed of it."""


class _ArrayType:
    """In place of numpy.ndarray: a name to hand on."""


@dataclass
class _Array:
    """In place of an array. Its state: version, shape, type, whether in Fortran's order, bytes."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def array(self) -> NDArray[np.uint8]:
        """DataError where it is no array of bytes with two dimensions."""
        match self.state:
            case (_, (int(rows), int(columns)), _Type(code=b"u1"), fortran, bytes(values)):
                shape = (rows, columns)
            case _:
                raise DataError("its data are no uint8 array of two dimensions")
        if min(shape) < 0 or len(values) != math.prod(shape):
            raise DataError(f"its array of shape {shape} has {len(values)} B")
        flat = np.frombuffer(values, np.uint8)
        return flat.reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: object) -> _Array:
    """In place of the function that makes an empty array."""
    return _Array()


_STAND_INS: dict[tuple[str, str], object] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): _Type,
}
