"""Messages of every form to send over the wire, and what to compare them by."""

import torch

from psim.vectors import Dense, Payload, Shared, Sparse
from psim.wire.messages import Packet

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
FORMS = ["dense", "sparse", "shared"]


def values(count: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Numbers of all signs and sizes that the type holds, the odd ones first."""
    odd = torch.tensor([-0.0, float("inf"), float("nan"), 1e-7, -3.5], dtype=torch.float64)
    rest = torch.randn(max(count, 5), generator=torch.Generator().manual_seed(count)).double()
    return torch.cat([odd, rest])[:count].to(dtype)


def spread(size: int, count: int) -> torch.Tensor:
    """Indices from 0 to size - 1, increasing."""
    return torch.arange(count) * size // max(count, 1)


def payload(form: str, size: int, count: int, dtype: torch.dtype = torch.float64) -> Payload:
    """A payload of ``size`` entries, ``count`` of which travel (all of a dense one)."""
    if form == "dense":
        return Dense(values(size, dtype))
    if form == "shared":
        return Shared(size, values(count, dtype), spread(size, count))
    return Sparse(size, spread(size, count), values(count, dtype))


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal to the bit: -0 is not 0, and NaN is itself."""
    whole = {8: torch.int64, 4: torch.int32, 2: torch.int16}[a.element_size()]
    return a.dtype == b.dtype and torch.equal(a.view(whole), b.view(whole))


def assert_same(sent: Packet, arrived: Packet) -> None:
    """The packets are equal, but for what does not travel: the indices of shared payloads."""
    heads = [(p.kind, p.round, p.rank, p.scalars, p.compute) for p in (sent, arrived)]
    assert heads[0] == heads[1]
    assert len(sent.payloads) == len(arrived.payloads)
    for one, other in zip(sent.payloads, arrived.payloads, strict=True):
        assert type(one) is type(other)
        assert one.size == other.size
        assert same_bits(one.values, other.values)
        if isinstance(one, Sparse):
            assert torch.equal(one.indices, other.indices)
        if isinstance(other, Shared):
            assert other.indices is None
