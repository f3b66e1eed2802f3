"""Codes of long vectors: compiled and in torch the same string, scales and values, to the bit."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from psim import quantized
from psim.compressors.layers import PerLayer
from psim.kernels import bits, norms, strings, warm
from psim.kernels.choice import LONG
from psim.quantized import Quantized, Rule
from psim.registry import build
from psim.segments import laid_out
from psim.step import Step
from psim.vectors import Dense, Payload, Sparse, add_, cast, subtract_, subtract_scaled_
from psim.wire import quantized as wire
from psim.wire.decode import Expected, decode
from psim.wire.encode import encode
from psim.wire.messages import Kind, Packet

STEP = Step(3, 0.1, 4, 7, 1)
SIZES = [quantized.LONG, 2 * strings.PART + 4_465]
TYPES = [torch.float32, torch.float64]
QUANTIZERS: list[dict[str, object]] = [
    {"name": "sign"},
    {"name": "one_bit"},
    {"name": "qsgd", "levels": 4},
    {"name": "qsgd", "levels": 7, "norm": "largest", "scale": "contractive"},
    {"name": "qsgd", "levels": 64, "bucket": 512},
    {"name": "qsgd", "levels": 1, "bucket": 1_500},
    {"name": "terngrad"},
    {"name": "natural"},
    {"name": "natural", "scale": "contractive"},
    {"name": "rounding", "epsilon": 0.01},
    {"name": "rounding", "epsilon": 0.01, "mode": "nearest"},
    {"name": "scaled_integers", "factor": 1000.0},
    {"name": "scaled_integers", "factor": 10.0, "width": 8},
]


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    warm.prepare(LONG)


def awkward(size: int, dtype: torch.dtype) -> Iterator[torch.Tensor]:
    """Normal; with zeros of both signs; zeros; denormal; over all exponents; with a huge entry, an
    infinite one, NaN; a single entry; none below 0.
    """
    random = np.random.default_rng(0)
    normal = torch.from_numpy(random.standard_normal(size))
    tiny, huge = torch.finfo(dtype).smallest_normal, torch.finfo(dtype).max
    exponents = torch.from_numpy(random.uniform(np.log(tiny), np.log(huge), size) * 0.9)
    alone = torch.where(torch.arange(size) == 3, 3.0, 0.0)
    yield normal.to(dtype)
    yield torch.where(torch.arange(size) % 3 == 0, -0.0, normal.round()).to(dtype)
    yield torch.zeros(size, dtype=dtype)
    yield (normal.round() * (tiny / 512)).to(dtype)
    yield (normal.sign() * exponents.exp()).to(dtype)
    for odd in (huge, float("inf"), float("nan")):
        yield torch.where(torch.arange(size) == size // 2, odd, normal).to(dtype)
    yield alone.to(dtype)
    yield normal.abs().to(dtype)


def both(
    monkeypatch: pytest.MonkeyPatch, described: dict[str, object], vector: torch.Tensor
) -> tuple[Payload, Payload]:
    """Compressed by compiled code, and by torch."""
    compressor = build("compressors", described)
    fast, _ = compressor.compress(vector, None, STEP)
    with monkeypatch.context() as patch:
        patch.setattr(quantized, "LONG", vector.numel() + 1)
        slow, _ = compressor.compress(vector, None, STEP)
    return fast, slow


def assert_same(one: Quantized, other: Quantized) -> None:
    assert (one.count, one.bits, one.width) == (other.count, other.bits, other.width)
    assert torch.equal(one.unpacked(), other.unpacked())
    assert torch.equal(one.lengths, other.lengths)
    assert one.scales.numpy().tobytes() == other.scales.numpy().tobytes()
    for mine, theirs in zip(wire.buffers(one), wire.buffers(other), strict=True):
        assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("described", QUANTIZERS, ids=str)
def test_both_make_and_read_the_same_codes(
    monkeypatch: pytest.MonkeyPatch, described: dict[str, object], dtype: torch.dtype
) -> None:
    strung = 0
    for size in SIZES:
        for vector in awkward(size, dtype):
            before = vector.clone()
            fast, slow = both(monkeypatch, described, vector)
            assert vector.numpy().tobytes() == before.numpy().tobytes()
            if isinstance(slow, Dense):  # beyond the range of codes
                assert fast.values.numpy().tobytes() == slow.values.numpy().tobytes()
                continue
            assert isinstance(fast, Quantized)
            assert isinstance(slow, Quantized)
            assert not slow.packed
            strung += fast.packed
            assert_same(fast, slow)
            for target in TYPES:
                one, other = (p.plain(target).values.numpy() for p in (fast, slow))
                assert one.tobytes() == other.tobytes()
    assert strung >= len(SIZES) * 6


@pytest.mark.parametrize("described", QUANTIZERS[::3], ids=lambda each: str(each["name"]))
def test_adding_in_parts_adds_what_is_decoded(
    monkeypatch: pytest.MonkeyPatch, described: dict[str, object]
) -> None:
    vector = next(awkward(SIZES[1], torch.float32))
    fast, slow = both(monkeypatch, described, vector)
    assert fast.in_parts(torch.float32) is not None
    assert slow.in_parts(torch.float32) is None
    for change in (add_, subtract_, lambda x, p: subtract_scaled_(x, p, 0.3)):
        for dtype in TYPES:
            one, other = vector.to(dtype), vector.to(dtype)
            change(one, fast)
            change(other, slow)
            assert one.numpy().tobytes() == other.numpy().tobytes()
    half = cast(fast, torch.bfloat16)  # a type that numpy has not
    assert torch.equal(half.values, cast(slow, torch.bfloat16).values)


def test_layers_of_strings_and_of_codes_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = {"a": (2_001,), "b": (5,), "c": (3, 1_111), "d": (1,)}
    segments = laid_out(shapes)
    described = {"name": "rounding", "epsilon": 0.25}
    layers = tuple(build("compressors", described) for _ in shapes)
    compressor = PerLayer(segments=segments, layers=layers)
    vector = next(awkward(segments[-1].stop, torch.float64))
    vector[2_003] = 1000.0  # the widest codes are those of a short layer
    fast, _ = compressor.compress(vector, None, STEP)
    monkeypatch.setattr(quantized, "LONG", vector.numel())
    slow, _ = compressor.compress(vector, None, STEP)
    assert (fast.packed, slow.packed) == (True, False)
    assert_same(fast, slow)


def test_a_string_arrives_as_a_view_of_its_frame() -> None:
    vector = next(awkward(SIZES[1], torch.float32))
    sent, _ = build("compressors", QUANTIZERS[4]).compress(vector, None, STEP)
    frames = [bytearray(frame) for frame in encode(Packet(Kind.MESSAGE, 1, 0, (sent,))).all()]
    arrived = decode(frames, Expected(vector.numel(), 1, 1))[0].payloads[0]
    assert_same(arrived, sent)
    frames[-2][0] ^= 0xFF
    assert not torch.equal(arrived.unpacked(), sent.unpacked())


def test_values_of_a_sparse_vector_are_a_string_too(monkeypatch: pytest.MonkeyPatch) -> None:
    described = {
        "name": "composed",
        "sparsifier": {"name": "topk", "k": 3_001},
        "quantizer": {"name": "qsgd", "levels": 3},
    }
    vector = next(awkward(9_000, torch.float32))
    fast, slow = both(monkeypatch, described, vector)
    assert fast.packed
    assert fast.in_parts(torch.float32) is None
    one, other = (p.plain(torch.float32) for p in (fast, slow))
    assert isinstance(one, Sparse)
    assert torch.equal(one.indices, other.indices)
    assert torch.equal(one.values, other.values)


@pytest.mark.parametrize("width", [1, 3, 8, 11, 31, 32])
@pytest.mark.parametrize("first", [0, 13])
def test_a_string_is_one_large_number(width: int, first: int) -> None:
    count = 77
    codes = np.random.default_rng(width).integers(0, 2**width, count, dtype=np.uint64)
    whole = sum(int(code) << (width * place) for place, code in enumerate(codes))
    narrow = codes.astype(np.uint32).view(np.int32)
    body = np.zeros(-(-count * width // 8), np.uint8)
    if first:
        bits.pack(narrow[:first], width, body, 0)
    bits.pack(narrow[first:], width, body, first)
    assert int.from_bytes(body.tobytes(), "little") == whole
    found = np.empty(count - first, np.int32)
    bits.unpack(body, width, first, False, found)
    assert found.tobytes() == narrow[first:].tobytes()
    bits.unpack(body, width, first, True, found)
    signed = [int(c) - (int(c) >> (width - 1) << width) for c in codes[first:]]
    assert found.tolist() == signed


def halved(values: list[float]) -> float:
    """A fold as a list: the second half is added to the first."""
    while len(values) > 1:
        half = (len(values) + 1) // 2
        values = [a + b for a, b in zip(values[:half], [*values[half:], 0.0], strict=False)]
    return values[0]


@pytest.mark.parametrize("length", [1, norms.PIECE, norms.PIECE + 1, 4_097, 10_007])
def test_a_row_is_folded_in_halves(length: int) -> None:
    vector = np.random.default_rng(length).standard_normal(10_007)
    tops = norms.largest(vector, length)
    rows = [vector[start : start + length] for start in range(0, vector.size, length)]
    assert tops.tolist() == [np.abs(row).max() for row in rows]
    found = norms.folded(vector, length, tops, squared=True)
    for row, top, total in zip(rows, tops, found, strict=True):
        filled = [*((abs(row) / top) ** 2).tolist(), *[0.0] * (length - row.size)]
        assert halved(filled) == total


def test_natural_compression_counts_from_the_power_that_is_there() -> None:
    vector = torch.zeros(LONG)
    vector[0] = 4.0 + 2.0**-20  # nearly always rounded to 4, and not to 8
    payload, _ = build("compressors", {"name": "natural"}).compress(vector, None, STEP)
    assert payload.scales.tolist() == [4.0]
    assert payload.rule is Rule.EXPONENT
    assert payload.unpacked()[:2].tolist() == [0, 255]
