import msgpack
import pytest
import torch
from wires import DTYPES, FORMS, assert_same, payload, together

from psim.vectors import Dense, Sparse
from psim.wire.decode import Expected, decode, decode_all, decode_control
from psim.wire.encode import encode, encode_control
from psim.wire.layout import INLINE
from psim.wire.messages import VECTOR_KINDS, Control, Kind, Packet
from psim.wire.size import REPORT_SIZE, Size, framed

SIZES = [1, 255, 256, 65_535, 65_536]


def roundtrip(packet: Packet, size: int, writable: bool = False) -> tuple[Packet, Size]:
    frames = encode(packet).all()
    copied = [bytearray(f) if writable else bytes(f) for f in frames]
    return decode(copied, Expected(size, 1000, 100_000, len(packet.payloads)))


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", SIZES)
def test_every_form_type_and_size_arrives_to_the_bit(
    form: str, dtype: torch.dtype, size: int, writable: bool
) -> None:
    for count in {0, 1, size // 2, size}:
        packet = Packet(Kind.MESSAGE, 7, 3, (payload(form, size, count, dtype),), (), 0.25)
        arrived, measured = roundtrip(packet, size, writable)
        assert_same(packet, arrived)
        assert measured == encode(packet).size


def test_long_values_are_views_of_the_frames_and_copies_where_these_are_lent() -> None:
    """A receiver in the sender's process would otherwise move with what the sender changes."""
    x = torch.arange(1.0 * INLINE)
    encoded, expected = encode(Packet(Kind.MODEL, 0, 0, (Dense(x),))), Expected(INLINE, 1, 1)
    (view,), (copy,) = (decode(f, expected)[0].payloads for f in (encoded.all(), encoded.lent()))
    x += 1
    assert torch.equal(view.values, x)
    assert torch.equal(copy.values, x - 1)


@pytest.mark.parametrize("count", [INLINE // 8 - 1, INLINE // 8, INLINE // 8 + 1])
def test_one_frame_up_to_the_limit_and_a_frame_for_each_buffer_above(count: int) -> None:
    packet = Packet(Kind.MODEL, 1, 0, (payload("dense", count, count),))
    frames = encode(packet).all()
    assert len(frames) == (1 if 8 * count <= INLINE else 2)
    assert_same(packet, roundtrip(packet, count)[0])


@pytest.mark.parametrize("writable", [False, True])
def test_several_payloads_travel_in_order(writable: bool) -> None:
    for size in (10, 9000):
        payloads = tuple(payload(form, size, size) for form in FORMS)
        packet = Packet(Kind.MESSAGE, 5, 2, payloads, (True, 7, 0.5), 1.0)
        assert_same(packet, roundtrip(packet, size, writable)[0])


@pytest.mark.parametrize("size", [10, 9000])
def test_several_messages_travel_together(size: int) -> None:
    packets = [
        Packet(Kind.MESSAGE, 5, rank, (payload(form, size, size),), (True, 7), 0.5 * rank)
        for rank, form in enumerate(FORMS)
    ]
    messages = [encode(packet) for packet in packets]
    frames = together(messages)
    assert sum(map(len, frames)) == sum(m.size.payload + REPORT_SIZE.payload for m in messages)
    arrived = decode_all(frames, Expected(size, 1000, 100))
    assert [measured for _, measured in arrived] == [m.size for m in messages]
    for packet, (other, _) in zip(packets, arrived, strict=True):
        assert_same(packet, other)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [0, 1, 7])
def test_messages_alike_are_decoded_like_single_ones(
    form: str, count: int, dtype: torch.dtype
) -> None:
    size = count if form == "dense" else 300
    packets = [
        Packet(
            Kind.MESSAGE, 500, rank, (payload(form, size, count, dtype),), (rank > 600,), rank / 8
        )
        for rank in [0, 1, 127, 128, 255, 256, 700, 701]
    ]
    frames = together(encode(packet) for packet in packets)
    expected = Expected(size, 1000, 1000)
    arrived = decode_all(frames, expected)
    assert len(arrived) == len(packets)
    for number, (other, measured) in enumerate(arrived):
        assert_same(packets[number], other)
        assert measured == decode(frames[2 * number : 2 * number + 2], expected)[1]


@pytest.mark.parametrize("kind", sorted(VECTOR_KINDS))
def test_every_kind_of_vector_message_travels(kind: Kind) -> None:
    packet = Packet(kind, 100_000, 999, (payload("sparse", 9, 2),), (False, -3, 1e300))
    assert_same(packet, roundtrip(packet, 9)[0])


@pytest.mark.parametrize(
    "scalars", [(True,), (False, True), (0, 255, 2**32, -(2**31)), (0.1, float("inf")), ()]
)
def test_scalars_keep_their_value_and_type(scalars: tuple[float, ...]) -> None:
    packet = Packet(Kind.MESSAGE, 0, 0, (), scalars)
    arrived, _ = roundtrip(packet, 1)
    assert arrived.scalars == scalars
    assert [type(s) for s in arrived.scalars] == [type(s) for s in scalars]


def test_what_arrives_of_a_small_message_does_not_hold_on_to_its_frame() -> None:
    frame = bytearray(encode(Packet(Kind.MODEL, 0, 0, (payload("dense", 8, 8),))).frames[0])
    arrived, _ = decode([frame], Expected(8, 1, 1))
    before = arrived.payloads[0].values.clone()
    frame[-8:] = b"\xff" * 8
    assert_same(Packet(Kind.MODEL, 0, 0, (Dense(before),)), arrived)


def test_a_message_is_written_as_documented() -> None:
    one = Sparse(123, torch.tensor([5]), torch.tensor([1.5], dtype=torch.float64))
    encoded = encode(Packet(Kind.MESSAGE, 200, 3, (one,), (), 0.5))
    header = bytes.fromhex("97 03 07 cc c8 03 01 10 01")
    index, value = b"\x05", bytes.fromhex("00 00 00 00 00 00 f8 3f")
    assert [bytes(frame) for frame in encoded.frames] == [header + index + value]
    assert encoded.size == Size(18, 20)
    assert bytes(encoded.report) == bytes.fromhex("00 00 00 00 00 00 e0 3f 00 00 00 00 00 00 f8 7f")


def test_a_large_message_is_written_as_documented() -> None:
    count = 2049
    packet = Packet(Kind.MODEL, 1, 0, (Dense(torch.zeros(count, dtype=torch.float64)),))
    header, body = encode(packet).frames
    assert bytes(header) == bytes.fromhex("96 03 05 01 00 01 00")
    assert bytes(body) == bytes(8 * count)


@pytest.mark.parametrize(
    ("size", "width"), [(1, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 4), (2**31 - 1, 4)]
)
def test_an_index_takes_the_fewest_bytes_that_hold_the_dimension(size: int, width: int) -> None:
    last = Sparse(size, torch.tensor([size - 1]), torch.tensor([1.0], dtype=torch.float64))
    packet = Packet(Kind.MESSAGE, 0, 0, (last,))
    frame = bytes(encode(packet).frames[0])
    assert frame[-8 - width : -8] == (size - 1).to_bytes(width, "little")
    assert frame[: -8 - width][-1:] == b"\x01", "the header ends in the count"
    assert_same(packet, roundtrip(packet, size)[0])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [1, 2000, 66_000, 140_000])
def test_headers_are_short(form: str, count: int) -> None:
    """Of floats, and of codes of all entries, 16 bytes; of round 65,535 from rank 127."""
    most = 16 if form in ("dense", "sparse", "shared", "codes") else 22
    for manner in ("raw", "coded"):
        packet = Packet(Kind.MESSAGE, 65_535, 127, (payload(form, 400_000, count),))
        header = msgpack.Unpacker()
        header.feed(encode(packet, manner).frames[0])
        header.unpack()
        assert 8 < header.tell() <= most


def test_zmtp_puts_two_bytes_before_a_short_frame_and_nine_before_a_long_one() -> None:
    assert [framed(n) - n for n in (0, 1, 255, 256, 65_536)] == [2, 2, 2, 9, 9]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 29, 30, 31, 255, 2047, 2048, 2049, 70_000])
def test_a_message_weighs_its_frames_and_their_framing(form: str, size: int) -> None:
    encoded = encode(Packet(Kind.MESSAGE, 0, 0, (payload(form, size, size),), (), 0.1))
    lengths = [len(bytes(frame)) for frame in encoded.frames]
    overhead = sum(2 if length <= 255 else 9 for length in lengths)
    assert encoded.size == Size(sum(lengths), sum(lengths) + overhead)
    assert decode(encoded.all(), Expected(size, 1, 1))[1] == encoded.size, "the report is apart"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"count": 3, "host": "a", "pid": 1},
        {"nested": {"list": [1, 2.5, None, True, "é"]}},
        {"long": "x" * 100_000},
    ],
)
def test_a_control_message_arrives_whole(fields: dict) -> None:
    for kind in set(Kind) - VECTOR_KINDS:
        encoded = encode_control(Control(kind, fields))
        assert decode_control([bytes(encoded.frames[0])]) == Control(kind, fields)
        length = len(encoded.frames[0])
        assert encoded.size == Size(length, framed(length))


def test_the_papers_bits_are_32_for_each_float_and_nothing_else() -> None:
    packet = Packet(Kind.MESSAGE, 9, 0, (payload("sparse", 100, 4),), (True, 7, 0.5), 3.0)
    assert packet.bits == 32 * 5
    assert packet.nnz == 4
