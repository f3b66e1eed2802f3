"""Codes and factors on the wire: the bytes as documented, and everything that is refused."""

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from wires import assert_same, payload

from psim.errors import WireError
from psim.lowrank import LowRank, Piece
from psim.quantized import Quantized, Rule
from psim.vectors import Dense, Payload, Sparse, add_, densify, mean, scale, subtract_
from psim.wire import bits
from psim.wire.decode import Expected, decode
from psim.wire.encode import encode
from psim.wire.layout import INLINE
from psim.wire.messages import Kind, Packet
from psim.wire.size import Size

SIZE = 12
EXPECTED = Expected(SIZE, 4, 300)
FLOAT64 = torch.float64


def frames_of(payload: Payload) -> list[bytes]:
    return [bytes(frame) for frame in encode(Packet(Kind.UPDATE, 1, 0, (payload,))).all()]


def update(fields: list[int], body: bytes = b"") -> list[bytes]:
    return [msgpack.packb([3, int(Kind.UPDATE), 1, 0, 1, *fields]) + body]


def in_bits(codes: list[int], width: int) -> bytes:
    """The string of bits, written as one large integer."""
    whole = sum(code << (place * width) for place, code in enumerate(codes))
    return whole.to_bytes((len(codes) * width + 7) // 8, "little")


@given(st.integers(1, 32), st.data())
def test_codes_are_packed_as_documented(width: int, data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(0, 2**width - 1), max_size=200))
    packed = bits.pack(np.array(codes, dtype=np.uint32), width)
    assert packed.tobytes() == in_bits(codes, width)
    assert len(packed) == bits.packed_length(len(codes), width)
    assert bits.unpack(packed.tobytes(), len(codes), width).tolist() == codes


@pytest.mark.parametrize("width", [1, 3, 5, 9, 13, 31])
def test_bits_after_the_last_code_are_refused(width: int) -> None:
    codes = np.full(3, 2**width - 1, dtype=np.uint32)
    packed = bytearray(bits.pack(codes, width).tobytes())
    for bit in range(3 * width, 8 * len(packed)):
        wrong = bytearray(packed)
        wrong[bit // 8] |= 1 << bit % 8
        with pytest.raises(WireError, match="after the last code"):
            bits.unpack(bytes(wrong), 3, width)


def test_codes_of_all_entries_are_written_as_documented() -> None:
    codes = torch.tensor([1, -1, 0, 3, -4], dtype=torch.int32)
    scales = torch.tensor([0.5, 2.0], dtype=torch.float32)
    sent = Quantized(5, Rule.UNIFORM, 3, codes, scales, torch.tensor([3, 2]))
    (frame,) = frames_of(sent)
    header = bytes.fromhex("98 03 06 01 00 01 41 03 03")
    floats = bytes.fromhex("00 00 00 3f 00 00 00 40")
    assert frame == header + floats + in_bits([1, 7, 0, 3, 4], 3)
    assert densify(sent, FLOAT64).tolist() == [0.5, -0.5, 0.0, 6.0, -8.0]


def test_blocks_of_other_lengths_travel() -> None:
    codes = torch.tensor([1, 0, 1], dtype=torch.int32)
    means = torch.tensor([-1.0, 1.0, -5.0, 5.0], dtype=torch.float16)
    indices = torch.tensor([2, 4, 9])
    sent = Quantized(SIZE, Rule.MEANS, 1, codes, means, torch.tensor([1, 2]), indices)
    (frame,) = frames_of(sent)
    header = msgpack.packb([3, 6, 1, 0, 1, 0x52, 3, 34 + 64, 2])
    lengths = (1).to_bytes(4, "little") + (2).to_bytes(4, "little")
    assert frame == header + bytes([2, 4, 9]) + lengths + means.numpy().tobytes() + b"\x05"
    expected = [0.0] * SIZE
    expected[2], expected[4], expected[9] = 1.0, -5.0, 5.0
    assert densify(sent, FLOAT64).tolist() == expected


def test_factors_are_written_as_documented() -> None:
    numbers = torch.arange(1.0, 8.0, dtype=FLOAT64)
    sent = LowRank(SIZE, (Piece(1), Piece(11, 4, 3, 1)), torch.cat([numbers[:1], numbers]))
    (frame,) = frames_of(sent)
    header = msgpack.packb([3, 6, 1, 0, 1, 0x80, 8, 2])
    pieces = np.array([1, 0, 0, 0, 11, 4, 3, 1], dtype="<u4").tobytes()
    assert frame == header + pieces + sent.values.numpy().tobytes()
    matrix = np.outer([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0]).ravel()[:11]
    assert densify(sent, FLOAT64).tolist() == [1.0, *matrix]


@pytest.mark.parametrize("form", ["codes", "signs", "means", "powers", "factors"])
def test_a_large_message_has_a_frame_for_each_buffer(form: str) -> None:
    size = 400_000
    sent = Packet(Kind.MESSAGE, 1, 0, (payload(form, size, size // 2),), (), 0.5)
    encoded = encode(sent)
    lengths = [len(frame) for frame in encoded.frames]
    assert sum(lengths[1:]) > INLINE
    assert len(lengths) == {"codes": 4, "signs": 4, "means": 3, "powers": 4, "factors": 3}[form]
    assert encoded.size == Size(sum(lengths), sum(n + (2 if n < 256 else 9) for n in lengths))
    arrived, measured = decode([bytes(f) for f in encoded.all()], Expected(size, 1, 1))
    assert measured == encoded.size
    assert_same(sent, arrived)


def test_the_papers_bits_count_codes_at_their_width() -> None:
    for form, nnz, expected in [
        ("codes", 100, 5 * 100 + 32 * 2),
        ("signs", 41, 41 + 32 * 11),
        ("means", 41, 41 + 32 * 2),
        ("powers", 40, 9 * 40 + 32 * 10),
    ]:
        packet = Packet(Kind.MESSAGE, 0, 0, (payload(form, 100, 41 if nnz == 41 else 40),), (0.5,))
        assert (packet.nnz, packet.bits) == (nnz, expected + 32)
    factors = payload("factors", 100, 0)
    packet = Packet(Kind.MESSAGE, 0, 0, (factors, payload("sparse", 100, 3)))
    assert packet.bits == 32 * (33 + 2 * (8 + 9) + 3)


ALL = [0x40, 4, 0]
GOOD = update(ALL, bytes(8 + 6))


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (0, 0x44, "unknown form 68"),
        (0, 0x90, "unknown form 144"),
        (0, 0x50, "2 fields"),  # the codes of listed entries
        (1, 0, "codes of rule 0"),
        (1, 5, "its header announces"),
        (1, 36, "codes of rule 36"),
        (1, 64, "codes of rule 64"),
        (1, 64 + 4, "12 codes in 0 blocks"),
        (1, 64 + 36, "codes of rule 100"),
        (1, -1, "no natural number"),
        (2, 13, "12 codes in blocks of 13"),
        (2, 11, "its header announces"),  # two blocks
        (2, -1, "no natural number"),
    ],
)
def test_a_wrong_field_of_codes_is_named(place: int, value: int, complaint: str) -> None:
    assert decode(GOOD, EXPECTED)
    fields = list(ALL)
    fields[place] = value
    with pytest.raises(WireError, match=complaint):
        decode(update(fields, bytes(8 + 6)), EXPECTED)


@pytest.mark.parametrize(
    ("lengths", "fine"),
    [([5, 7], True), ([12, 0], False), ([6, 7], False), ([2**32 - 1, 13], False), ([1, 1], False)],
)
def test_blocks_share_all_codes_among_them(lengths: list[int], fine: bool) -> None:
    fields = [0x40, 64 + 4, 2]
    body = np.array(lengths, dtype="<u4").tobytes() + bytes(16 + 6)
    if fine:
        assert decode(update(fields, body), EXPECTED)
    else:
        with pytest.raises(WireError, match="do not share 12 codes"):
            decode(update(fields, body), EXPECTED)


@pytest.mark.parametrize("blocks", [13, 2**31])
def test_more_blocks_than_codes_are_refused(blocks: int) -> None:
    with pytest.raises(WireError, match=f"12 codes in {blocks} blocks"):
        decode(update([0x40, 64 + 4, blocks]), EXPECTED)


def test_no_codes_have_no_block() -> None:
    empty = Quantized.block(Rule.SIGN, 1, torch.zeros(0, dtype=torch.int32), torch.zeros(1))
    sparse = Sparse(SIZE, torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    sent = Packet(Kind.UPDATE, 1, 0, (empty.among(sparse),))
    (frame,) = frames_of(sent.payloads[0])
    assert frame == msgpack.packb([3, 6, 1, 0, 1, 0x51, 0, 33, 0])
    assert_same(sent, decode([frame], EXPECTED)[0])
    for rule in (33, 64 + 33):
        with pytest.raises(WireError, match="0 codes in"):
            decode(update([0x51, 0, rule, 1], bytes(4)), EXPECTED)


def test_more_listed_codes_than_entries_are_refused() -> None:
    with pytest.raises(WireError, match="13 values: vectors here have 12"):
        decode(update([0x50, SIZE + 1, 4, 0], bytes(100)), EXPECTED)


@pytest.mark.parametrize(
    ("pieces", "numbers"),
    [
        ([(12, 0, 0, 0)], 11),  # other numbers than announced
        ([(11, 0, 0, 0)], 11),  # not the whole vector
        ([(13, 0, 0, 0)], 12),
        ([(12, 0, 0, 0), (0, 0, 0, 0)], 12),  # an empty piece
        ([(12, 3, 4, 0)], 12),  # a piece that travels whole has no shape
        ([(12, 3, 4, 2)], 14),  # factors of more numbers than entries
        ([(12, 12, 1, 2)], 26),
        ([(12, 2, 5, 1)], 7),  # a matrix too small
        ([(12, 5, 3, 1)], 8),  # a row of nothing but padding
        ([(12, 2**32 - 1, 2**32 - 1, 2**32 - 1)], 8),
        ([(2**32 - 1, 0, 0, 0), (13, 0, 0, 0)], 12),
        ([(12, 1, 12, 2)], 26),
    ],
)
def test_pieces_that_are_no_layout_of_the_vector_are_refused(
    pieces: list[tuple[int, ...]], numbers: int
) -> None:
    body = np.array(pieces, dtype="<u4").tobytes() + bytes(8 * numbers)
    with pytest.raises(WireError):
        decode(update([0x80, numbers, len(pieces)], body), EXPECTED)
    good = np.array([(12, 4, 3, 1)], dtype="<u4").tobytes() + bytes(8 * 7)
    assert decode(update([0x80, 7, 1], good), EXPECTED)


@pytest.mark.parametrize("pieces", [13, 2**31])
def test_more_pieces_than_entries_are_refused(pieces: int) -> None:
    with pytest.raises(WireError, match="at most 12"):
        decode(update([0x80, 7, pieces]), EXPECTED)


@pytest.mark.parametrize("form", ["codes", "signs", "powers", "factors"])
def test_payloads_of_codes_are_added_as_what_they_stand_for(form: str) -> None:
    coded = payload(form, 60, 20)
    if isinstance(coded, Quantized):
        coded.scales.nan_to_num_(1.5, 1.5)
    else:
        coded.values.nan_to_num_(1.5, 1.5)
    plain = coded.plain(FLOAT64)
    assert isinstance(plain, Dense if form in ("codes", "factors") else Sparse)
    whole = densify(plain, FLOAT64)
    start = torch.randn(60, generator=torch.Generator().manual_seed(0)).double()
    assert torch.equal(add_(start.clone(), coded), add_(start.clone(), plain))
    assert torch.equal(subtract_(start.clone(), coded), subtract_(start.clone(), plain))
    assert torch.equal(densify(scale(coded, 0.3, FLOAT64), FLOAT64), whole * 0.3)
    found = mean([coded, coded, coded], 3, torch.empty(60).double())
    assert torch.equal(densify(found, FLOAT64), (whole + whole + whole) / 3)
    assert isinstance(found, Dense)
    few = mean([coded], 2, torch.empty(60).double())
    assert isinstance(few, Sparse) == isinstance(plain, Sparse)
