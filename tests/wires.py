"""Messages of every form to send over the wire, and what to compare them by."""

from collections.abc import Iterable

import torch

from psim.lowrank import LowRank, Piece
from psim.quantized import Quantized, Rule
from psim.vectors import Dense, Payload, Shared, Sparse
from psim.wire.encode import Encoded
from psim.wire.layout import Frames
from psim.wire.messages import Packet

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
CODED = {"codes": Rule.UNIFORM, "signs": Rule.SIGN, "means": Rule.MEANS, "powers": Rule.EXPONENT}
"""Quantized payloads: of all entries, of listed ones, of shared ones, of listed ones."""
FORMS = ["dense", "sparse", "shared", *CODED, "factors"]


def values(count: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Numbers of all signs and sizes that the type holds, the odd ones first."""
    odd = torch.tensor([-0.0, float("inf"), float("nan"), 1e-7, -3.5], dtype=torch.float64)
    rest = torch.randn(max(count, 5), generator=torch.Generator().manual_seed(count)).double()
    return torch.cat([odd, rest])[:count].to(dtype)


def together(messages: Iterable[Encoded]) -> Frames:
    """Several messages of one host as one ZeroMQ message: their frames one after another."""
    return [frame for message in messages for frame in message.all()]


def spread(size: int, count: int) -> torch.Tensor:
    """Indices from 0 to size - 1, increasing."""
    return torch.arange(count) * size // max(count, 1)


def payload(form: str, size: int, count: int, dtype: torch.dtype = torch.float64) -> Payload:
    """A payload of ``size`` entries, ``count`` of which travel (all of a dense one)."""
    if form == "dense":
        return Dense(values(size, dtype))
    if form == "shared":
        return Shared(size, values(count, dtype), spread(size, count))
    if form in CODED:
        return quantized(CODED[form], size, size if form == "codes" else count, dtype)
    if form == "factors":
        return factors(size, dtype)
    return Sparse(size, spread(size, count), values(count, dtype))


def quantized(rule: Rule, size: int, count: int, dtype: torch.dtype) -> Quantized:
    """Codes of every value that the width allows, in some blocks."""
    width = {Rule.UNIFORM: 5, Rule.EXPONENT: 9}.get(rule, 1)
    codes = torch.arange(count, dtype=torch.int32) * 7 % 2**width
    codes -= 2 ** (width - 1) if rule is Rule.UNIFORM else 0
    lengths = {
        Rule.UNIFORM: [count // 3, count - count // 3],  # a longer one last: no equal blocks
        Rule.MEANS: [count],
    }.get(rule, [4] * (count // 4) + [count % 4])
    lengths = [length for length in lengths if length]
    indices = None if rule is Rule.UNIFORM else spread(size, count)
    scales = values(len(lengths) * rule.scales, dtype)
    shared = rule is Rule.MEANS
    blocks = torch.tensor(lengths, dtype=torch.int64)
    return Quantized(size, rule, width, codes, scales, blocks, indices, shared)


def factors(size: int, dtype: torch.dtype) -> LowRank:
    """A third of the vector whole, the rest as a matrix of rank 2 where that is large enough."""
    rest = size - size // 3
    rows = max(1, int(rest**0.5))
    columns = -(-rest // rows)
    rows = -(-rest // columns)
    matrix = Piece(rest, rows, columns, 2)
    pieces = (Piece(size // 3), matrix if matrix.numbers <= rest and rows > 1 else Piece(rest))
    pieces = tuple(piece for piece in pieces if piece.length)
    return LowRank(size, pieces, values(sum(piece.numbers for piece in pieces), dtype))


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
        if isinstance(one, Quantized):
            assert_same_codes(one, other)
        if isinstance(one, LowRank):
            assert one.pieces == other.pieces


def assert_same_codes(one: Quantized, other: Quantized) -> None:
    """Codes, scales and blocks are the same, and listed indices."""
    assert (one.rule, one.width, one.shared) == (other.rule, other.width, other.shared)
    assert one.count == other.count
    assert torch.equal(one.unpacked(), other.unpacked())
    assert same_bits(one.scales, other.scales)
    assert torch.equal(one.lengths, other.lengths)
    if one.shared or one.indices is None:
        assert other.indices is None
    else:
        assert torch.equal(one.indices, other.indices)
