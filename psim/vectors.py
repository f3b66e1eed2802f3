"""Vectors and payloads.

A vector is a flat 1-D ``torch.Tensor``. A payload is a compressed vector as a value: what a message
carries, what the codec writes, and what sender and receiver both decode, so that *what was sent is
what was kept*: the values of a payload already have the type that travels.

``torch`` here is PyTorch, imported at its first use: a config is checked, and methods are listed,
without the two seconds that importing it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from types import ModuleType
from typing import TYPE_CHECKING

from psim.kernels import plain

if TYPE_CHECKING:
    import torch
else:

    class _Torch:
        """PyTorch, imported when an attribute is first asked for."""

        def __getattr__(self, name: str) -> object:
            import torch as module

            value = getattr(module, name)
            setattr(self, name, value)
            return value

    torch = _Torch()


__all__ = [
    "Coded",
    "Dense",
    "Payload",
    "Plain",
    "Shared",
    "Sparse",
    "add_",
    "add_scaled_",
    "cast",
    "densify",
    "finite",
    "mean",
    "nothing",
    "on_host",
    "parts",
    "scale",
    "squared_norm",
    "subtract_",
    "subtract_scaled_",
    "torch",
]


MANY = 1_000
"""Entries from which they are added by compiled loops, which give the same bits as torch."""
PART = 1 << 16
"""Entries of long vectors that several operations in a row are made on: they stay in the cache."""


@dataclass(frozen=True, slots=True)
class Dense:
    """All values of a vector; shape (size,)."""

    values: torch.Tensor

    @property
    def size(self) -> int:
        return self.values.numel()


@dataclass(frozen=True, slots=True)
class Sparse:
    """Some entries of a vector: ``indices`` (int64, strictly increasing, below ``size``) and their
    ``values``; both of shape (k,). k = 0 is a valid payload.
    """

    size: int
    indices: torch.Tensor
    values: torch.Tensor


@dataclass(frozen=True, slots=True)
class Shared:
    """Entries whose indices both sides derive from the shared seed, so that no index travels.

    ``indices`` is None in a payload fresh from the wire, until the receiver derives them again.
    """

    size: int
    values: torch.Tensor
    indices: torch.Tensor | None = None


Plain = Dense | Sparse | Shared
"""A payload whose values travel as floats."""


class Coded:
    """A payload of which something else travels than the values of its entries: `psim.quantized`,
    `psim.lowrank`. No ABC: payloads are told apart in every message, and that must be fast.
    """

    __slots__ = ()
    size: int

    @property
    def values(self) -> torch.Tensor:
        """The values that it stands for, or the numbers that travel; in the type of its floats."""
        raise NotImplementedError

    @property
    def count(self) -> int:
        """How many codes or numbers travel."""
        raise NotImplementedError

    @property
    def bits(self) -> int:
        """The papers' convention: codes at their width, and 32 for a float."""
        raise NotImplementedError

    @property
    def listed(self) -> bool:
        """Whether it stands for a `Sparse`."""
        return False

    @property
    def device(self) -> torch.device:
        """Where it is, without decoding it."""
        return self.values.device

    def plain(self, dtype: torch.dtype) -> Plain:
        """What it stands for, decoded in ``dtype``."""
        raise NotImplementedError

    def in_parts(self, dtype: torch.dtype) -> Iterator[tuple[slice, torch.Tensor]] | None:
        """The values of the `Dense` that it stands for, decoded part after part; each part may take
        the memory of the one before. None where it is decoded as a whole.
        """
        return None

    def cast(self, dtype: torch.dtype) -> Coded:
        """The same with its floats rounded to ``dtype``."""
        raise NotImplementedError


Payload = Plain | Coded


def cast(payload: Payload, dtype: torch.dtype) -> Payload:
    """The payload with its values rounded to ``dtype``: rounding belongs to the compressor."""
    if isinstance(payload, Coded):
        return payload.cast(dtype)
    if payload.values.dtype == dtype:
        return payload
    return _with_values(payload, payload.values.to(dtype))


def add_(target: torch.Tensor, payload: Payload) -> torch.Tensor:
    """target ← target + payload, in place; values are widened to the target's type first."""
    if isinstance(payload, Coded):
        found = payload.in_parts(target.dtype)
        if found is not None:
            for part, some in found:
                target[part].add_(some)
            return target
        payload = payload.plain(target.dtype)
    values = payload.values.to(target.dtype)
    if isinstance(payload, Dense):
        return target.add_(values)
    return _add_at(target, _indices(payload), values)


def subtract_(target: torch.Tensor, payload: Payload) -> torch.Tensor:
    """target ← target - payload, in place; x - v is the same float as x + (-v)."""
    if isinstance(payload, Coded):
        found = payload.in_parts(target.dtype)
        if found is not None:
            for part, some in found:
                target[part].sub_(some)
            return target
        payload = payload.plain(target.dtype)
    values = payload.values.to(target.dtype)
    if isinstance(payload, Dense):
        return target.sub_(values)
    return _add_at(target, _indices(payload), values.neg())


def subtract_scaled_(target: torch.Tensor, payload: Payload, factor: float) -> torch.Tensor:
    """target ← target - factor · payload, in place: a product, then a subtraction."""
    found = payload.in_parts(target.dtype) if isinstance(payload, Coded) else None
    if found is not None:
        for part, some in found:
            target[part].sub_(some.mul_(factor))
        return target
    if not isinstance(payload, Dense):
        return subtract_(target, scale(payload, factor, target.dtype))
    if _native(target, payload.values):
        kernels = _kernels(target.numel())
        kernels.subtract_scaled(target.numpy(), payload.values.numpy(), factor)
        return target
    for part in parts(target):
        target[part].sub_(payload.values[part].to(target.dtype) * factor)
    return target


def add_scaled_(target: torch.Tensor, vector: torch.Tensor, factor: float) -> torch.Tensor:
    """target ← target + factor · vector, in place: a product, then a sum; x + p is the same float
    as x - (-p).
    """
    return subtract_scaled_(target, Dense(vector), -factor)


def scale(payload: Payload, factor: float, dtype: torch.dtype) -> Payload:
    """factor · payload in ``dtype``, in memory of its own."""
    if isinstance(payload, Coded):
        payload = payload.plain(dtype)
    return _with_values(payload, payload.values.to(dtype) * factor)


def densify(payload: Payload, dtype: torch.dtype) -> torch.Tensor:
    """The vector that the payload stands for, freshly allocated; shape (size,)."""
    if isinstance(payload, Coded):
        payload = payload.plain(dtype)
    if isinstance(payload, Dense):
        return payload.values.to(dtype, copy=True)
    return add_(torch.zeros(payload.size, dtype=dtype, device=payload.values.device), payload)


def nothing(vector: torch.Tensor) -> Sparse:
    """The empty payload: no entry of the vector."""
    return Sparse(vector.numel(), torch.empty(0, dtype=torch.int64), vector.new_empty(0))


def on_host(vector: torch.Tensor) -> bool:
    """Whether it is float32 or float64 in this machine's memory: numpy's, and compiled code's."""
    native = vector.dtype in (torch.float32, torch.float64)
    return vector.device.type == "cpu" and native and vector.is_contiguous()


def finite(vector: torch.Tensor) -> bool:
    """Whether all entries are: the extremes of a vector that has NaN are NaN."""
    return all(isfinite(float(extreme)) for extreme in torch.aminmax(vector))


def squared_norm(vector: torch.Tensor) -> float:
    """‖v‖², as a Python float."""
    return float(torch.dot(vector, vector))


def _with_values(payload: Plain, values: torch.Tensor) -> Payload:
    if isinstance(payload, Dense):
        return Dense(values)
    if isinstance(payload, Sparse):
        return Sparse(payload.size, payload.indices, values)
    return Shared(payload.size, values, payload.indices)


def _indices(payload: Sparse | Shared) -> torch.Tensor:
    assert payload.indices is not None, "a Shared payload's indices are derived before it is used"
    return payload.indices


def _add_at(target: torch.Tensor, indices: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """target[indices] += values, one after the other, in place."""
    if indices.numel() < MANY or not on_host(target):
        return target.index_add_(0, indices, values)
    from psim.kernels import sums

    sums.add_at(target.numpy(), indices.numpy(), values.numpy())
    return target


def _native(target: torch.Tensor, vector: torch.Tensor) -> bool:
    """Whether these are of one type, and numpy's."""
    return target.dtype == vector.dtype and on_host(target) and on_host(vector)


def _kernels(size: int) -> ModuleType:
    """Which passes over vectors of that size are the faster ones: compiled or numpy's."""
    if size < PART:
        return plain
    from psim.kernels import sums

    return sums


def parts(vector: torch.Tensor) -> Iterator[slice]:
    """Where to cut a long vector; other devices have no cache to stay in."""
    size = vector.numel()
    step = PART if vector.device.type == "cpu" else max(size, 1)
    return (slice(start, start + step) for start in range(0, size, step))


def mean(payloads: Sequence[Payload], count: int, total: torch.Tensor) -> Payload:
    """(1/count) Σ payloads, summed in the order given and in the type of ``total``, a buffer of the
    vectors' shape whose content is lost.

    Sparse where the payloads have few entries between them, shared where they all have the same
    ones, dense otherwise; the values are those of the dense sum either way.
    """
    sparse = [payload for payload in payloads if isinstance(payload, Sparse)]
    if len(sparse) < len(payloads):
        return _mean_of_any(payloads, count, total)
    entries = sum(payload.indices.numel() for payload in sparse)
    if 2 * entries >= total.numel():
        return Dense(_sum(sparse, total) / count)
    if entries < MANY or not on_host(total):
        return _mean_of_few(sparse, count, total)
    from psim.kernels import sums

    support, values = sums.mean_of_sparse(
        total.numel(),
        [payload.indices.numpy() for payload in sparse],
        [payload.values.to(total.dtype).numpy() for payload in sparse],
        count,
        total.numpy().dtype,
    )
    return Sparse(total.numel(), torch.from_numpy(support), torch.from_numpy(values))


def _mean_of_few(payloads: Sequence[Sparse], count: int, total: torch.Tensor) -> Sparse:
    """`mean` of sparse vectors, where sorting their indices takes no time worth saving."""
    # One call adds entry after entry, and so in the order of the payloads.
    indices = torch.cat([payload.indices for payload in payloads])
    values = torch.cat([payload.values for payload in payloads]).to(total.dtype)
    total.index_fill_(0, indices, 0.0).index_add_(0, indices, values)
    support = torch.unique(indices)
    return Sparse(total.numel(), support, total[support] / count)


def _sum(payloads: Sequence[Payload], total: torch.Tensor) -> torch.Tensor:
    """``total`` ← Σ payloads, one at a time: decoded, each may be as long as the vector."""
    total.zero_()
    for payload in payloads:
        add_(total, payload)
    return total


def _mean_of_dense(payloads: Sequence[Payload], count: int, total: torch.Tensor) -> Dense:
    """`mean` of whole vectors, part after part: each entry is written to memory once. Summed from
    0 on, so that a sum of -0 is 0.
    """
    found = torch.empty_like(total)
    first, *others = (payload.values for payload in payloads)
    for part in parts(found):
        torch.add(first[part].to(found.dtype), 0.0, out=found[part])
        for values in others:
            found[part].add_(values[part].to(found.dtype))
        found[part].div_(count)
    return Dense(found)


def _mean_of_any(payloads: Sequence[Payload], count: int, total: torch.Tensor) -> Payload:
    """`mean` of payloads that are not all `Sparse`."""
    if all(isinstance(p, Sparse) or (isinstance(p, Coded) and p.listed) for p in payloads):
        plain = [p.plain(total.dtype) if isinstance(p, Coded) else p for p in payloads]
        return mean(plain, count, total)
    if all(isinstance(payload, Dense) for payload in payloads):
        return _mean_of_dense(payloads, count, total)
    _sum(payloads, total)
    first = payloads[0]
    if isinstance(first, Shared) and all(
        isinstance(payload, Shared) and payload.indices is first.indices for payload in payloads
    ):
        indices = _indices(first)
        return Shared(first.size, total[indices] / count, indices)
    return Dense(total / count)
