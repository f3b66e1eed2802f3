"""Whatever arrives either is a message that fits, or raises WireError: nothing else, ever."""

import tracemalloc

import msgpack
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wires import FORMS, payload

from psim.errors import WireError
from psim.lowrank import LowRank
from psim.quantized import Quantized
from psim.vectors import Dense, Payload, Sparse
from psim.wire.decode import Expected, decode, decode_all, decode_control, kind_of
from psim.wire.encode import encode, encode_control
from psim.wire.layout import LARGEST_CONTROL
from psim.wire.messages import Control, Kind, Packet

SIZE, WORKERS, ROUNDS, PAYLOADS = 12, 4, 300, 2
EXPECTED = Expected(SIZE, WORKERS, ROUNDS, PAYLOADS)
BIG = 3000
REPORT = b"\0" * 16
MESSAGES = [
    [bytes(frame) for frame in encode(packet).all()]
    for packet in [
        *(Packet(Kind.MESSAGE, 200, 3, (payload(f, SIZE, 5),), (True, 0.5), 1.0) for f in FORMS),
        *(Packet(Kind.MODEL, 1, 0, (payload("dense", SIZE, SIZE, t),)) for t in (torch.float32,)),
        Packet(Kind.UPDATE, 0, 0, (payload("sparse", SIZE, 0), payload("dense", SIZE, SIZE))),
        Packet(Kind.DIAGNOSE, 300),
    ]
]
CODED = Packet(Kind.MESSAGE, 200, 3, (payload("sparse", SIZE, 5), payload("signs", SIZE, 4)))
MESSAGES.append([bytes(frame) for frame in encode(CODED, "coded").all()])
CONTROLS = [
    bytes(encode_control(Control(kind, fields)).frames[0])
    for kind, fields in [
        (Kind.HELLO, {"protocol": 1, "count": 2, "host": "h", "pid": 12}),
        (Kind.WELCOME, {"config": {"a": [1, None, 2.5]}, "first": 0}),
        (Kind.BYE, {}),
    ]
]


def well_formed(packet: Packet, size: int = SIZE) -> bool:
    """Everything that a node relies on once a packet is decoded."""
    ok = packet.round <= ROUNDS and packet.rank <= WORKERS and len(packet.payloads) <= PAYLOADS
    for one in packet.payloads:
        ok = ok and one.size == size and one.values.numel() <= size and fits(one)
        if isinstance(one, Dense):
            ok = ok and one.values.numel() == size
        if isinstance(one, Sparse):
            indices = one.indices.tolist()
            ok = ok and len(indices) == one.values.numel() and indices == sorted(set(indices))
            ok = ok and all(0 <= index < size for index in indices)
    return ok and all(type(scalar) in (bool, int, float) for scalar in packet.scalars)


def fits(one: Payload) -> bool:
    """What decoding codes or factors relies on."""
    if isinstance(one, LowRank):
        return one.plain(torch.float64).values.numel() == one.size
    if not isinstance(one, Quantized):
        return True
    lengths = one.lengths.tolist()
    ok = sum(lengths) == one.count and all(length > 0 for length in lengths)
    ok = ok and one.scales.numel() == len(lengths) * one.rule.scales
    if one.indices is None:
        return ok and (one.shared or one.count == one.size)
    return ok and one.indices.numel() == one.count


def takes_or_refuses(frames: list[bytes]) -> None:
    try:
        packet, size = decode(frames, EXPECTED)
    except WireError:
        return
    assert well_formed(packet)
    assert size.payload <= sum(len(frame) for frame in frames)


@pytest.mark.parametrize("frames", MESSAGES)
def test_every_truncation_is_refused(frames: list[bytes]) -> None:
    for number, frame in enumerate(frames):
        for length in range(len(frame)):
            cut = [*frames[:number], frame[:length], *frames[number + 1 :]]
            with pytest.raises(WireError):
                decode(cut, EXPECTED)
            with pytest.raises(WireError):
                decode([*frames[:number], frame[:length]], EXPECTED)


@pytest.mark.parametrize("frames", MESSAGES)
def test_trailing_bytes_and_frames_are_refused(frames: list[bytes]) -> None:
    for number in range(len(frames)):
        longer = [frame + b"\0" * (number == i) for i, frame in enumerate(frames)]
        with pytest.raises(WireError):
            decode(longer, EXPECTED)
    with pytest.raises(WireError):
        decode([*frames, b"12345678", b"12345678"], EXPECTED)
    with pytest.raises(WireError):
        decode([*frames, b""], EXPECTED)


@pytest.mark.parametrize("frames", MESSAGES)
def test_any_one_byte_changed_is_taken_or_refused(frames: list[bytes]) -> None:
    for number, frame in enumerate(frames):
        for place in range(len(frame)):
            for value in (0, 1, 0x7F, 0x80, 0xC1, 0xD9, 0xDC, 0xDD, 0xDF, 0xFF, frame[place] ^ 1):
                changed = bytearray(frame)
                changed[place] = value
                takes_or_refuses([*frames[:number], bytes(changed), *frames[number + 1 :]])


@st.composite
def damaged(draw: st.DrawFn, sources: list[list[bytes]]) -> list[bytes]:
    """A message after a few flips, insertions and deletions, or with frames moved about."""
    frames = list(draw(st.sampled_from(sources)))
    for _ in range(draw(st.integers(1, 6))):
        number = draw(st.integers(0, len(frames) - 1))
        frame = bytearray(frames[number])
        place = draw(st.integers(0, len(frame)))
        change = draw(st.sampled_from(["flip", "insert", "delete", "swap"]))
        if change == "flip" and place < len(frame):
            frame[place] ^= draw(st.integers(1, 255))
        elif change == "insert":
            frame[place:place] = draw(st.binary(min_size=1, max_size=9))
        elif change == "delete":
            del frame[place : place + draw(st.integers(1, 9))]
        frames[number] = bytes(frame)
        if change == "swap":
            frames = draw(st.permutations(frames))
    return frames


@settings(max_examples=1000, deadline=None)
@given(damaged(MESSAGES))
def test_a_damaged_message_is_taken_or_refused(frames: list[bytes]) -> None:
    takes_or_refuses(frames)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=4))
@example([])
@example([b""])
@example([b"\x98\x03\x07"])
def test_noise_is_refused(frames: list[bytes]) -> None:
    takes_or_refuses(frames)


headers = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(0, 40)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(Kind)),
    fields=st.lists(st.integers(0, 40) | headers, max_size=12),
    rest=st.binary(max_size=120),
    more=st.lists(st.binary(max_size=20), max_size=2),
)
def test_a_header_of_any_fields_is_taken_or_refused(
    kind: Kind, fields: list, rest: bytes, more: list[bytes]
) -> None:
    takes_or_refuses([msgpack.packb([3, int(kind), *fields]) + rest, *more])


@pytest.mark.parametrize("nested", [b"\x91" * 900, b"\x81\xa1a" * 300])
def test_deep_nesting_is_refused(nested: bytes) -> None:
    with pytest.raises(WireError):
        decode([b"\x98\x03\x07" + nested], EXPECTED)
    with pytest.raises(WireError):
        decode_control([b"\x93\x03\x01" + nested * 50])


def test_an_announced_length_is_checked_before_anything_is_allocated() -> None:
    # A sender that claims 2^31 entries in a few bytes, in every place that a length can stand.
    large = 2**31 - 1
    claims = [
        [3, 7, 0, 0, 1, 0x10, large],
        [3, 7, 0, 0, large],
        [3, 7, 0, 0, 1, 0x30, large, 0, large],
        [3, 7, 0, 0, 1, 0x30, SIZE, 0, large],
        [3, 7, 0, 0, 1, 0x30, SIZE, large, 2],
        [3, 7, 0, 0, 1, 0x40, 4, large],
        [3, 7, 0, 0, 1, 0x40, 64 + 4, large],
        [3, 7, 0, 0, 1, 0x80, large, 1],
        [3, 7, 0, 0, 1, 0x80, 1, large],
    ]
    raw = [b"\x98\x03\x07\x00\x00\xdd\xff\xff\xff\xff", b"\x98\x03\x07\x00\x00\xdb\xff\xff\xff\xff"]
    frames = [msgpack.packb(claim) for claim in claims] + raw
    decode(MESSAGES[0], EXPECTED)  # what is imported or cached at first use does not count
    tracemalloc.start()
    try:
        for frame in frames:
            with pytest.raises(WireError):
                decode([frame], EXPECTED)
            with pytest.raises(WireError):
                decode_control([frame])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def altered(place: int, value: object) -> list[bytes]:
    """The documented example with one header field changed: [3, 7, 200, 3, 1, 0x10, 1]."""
    header: list = [3, 7, 200, 3, 1, 0x10, 1]
    header[place] = value
    return [msgpack.packb(header) + b"\x05" + b"\0" * 8, REPORT]


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (0, 2, "protocol version 2: this psim speaks version 3"),
        (0, 0, "protocol version 0"),
        (1, 0, "unknown kind 0"),
        (1, 99, "unknown kind 99"),
        (1, int(Kind.HELLO), "a HELLO message where a vector message was expected"),
        (2, ROUNDS + 1, "round 301: at most 300"),
        (2, -1, "no natural number"),
        (2, True, "no natural number"),
        (2, 1.0, "no natural number"),
        (3, WORKERS + 1, "rank 5: at most 4"),
        (4, PAYLOADS + 1, "number of payloads 3: at most 2"),
        (5, 0x90, "unknown form 144"),
        (5, 0x14, "unknown form 20"),
        (6, SIZE + 1, "vectors here have 12 entries"),
        (6, 2, "its header announces"),
    ],
)
def test_a_wrong_field_is_named(place: int, value: object, complaint: str) -> None:
    assert decode(altered(2, 200), EXPECTED)
    with pytest.raises(WireError, match=complaint):
        decode(altered(place, value), EXPECTED)


@pytest.mark.parametrize("indices", [[3, 3], [4, 2], [0, SIZE], [255, 255], [1, 0]])
def test_indices_that_do_not_increase_below_the_dimension_are_refused(indices: list[int]) -> None:
    header = msgpack.packb([3, 7, 0, 0, 1, 0x10, 2])
    with pytest.raises(WireError, match="do not increase strictly"):
        decode([header + bytes(indices) + b"\0" * 16], EXPECTED)


def test_a_large_message_in_frames_of_other_lengths_is_refused() -> None:
    expected = Expected(BIG, 1, 1)
    packet = Packet(Kind.MESSAGE, 0, 0, (payload("sparse", BIG, BIG),))
    header, indices, values, report = encode(packet).all()
    assert decode([header, indices, values, report], expected)
    wrong = [
        [],
        [indices],
        [values, indices],
        [bytes(indices) + bytes(values)],
        [bytes(indices)[:-1], values],
        [indices, bytes(values) + b"\0"],
        [indices, values, b""],
    ]
    for bodies in wrong:
        with pytest.raises(WireError):
            decode([header, *bodies, report], expected)
    for frames in ([bytes(header) + b"\0", indices, values, report], [header, indices, values]):
        with pytest.raises(WireError):
            decode(frames, expected)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e9])
def test_a_report_of_impossible_seconds_is_refused(seconds: float) -> None:
    frames = encode(Packet(Kind.MESSAGE, 0, 0, (payload("sparse", SIZE, 1),), (), seconds)).all()
    with pytest.raises(WireError, match="of computing"):
        decode(frames, EXPECTED)


def test_a_message_without_its_report_is_refused() -> None:
    frame, report = MESSAGES[0]
    assert decode([frame, report], EXPECTED)
    with pytest.raises(WireError, match="without its report"):
        decode([frame], EXPECTED)
    with pytest.raises(WireError, match="a report of 15 B"):
        decode([frame, report[:-1]], EXPECTED)
    with pytest.raises(WireError, match="without its report"):
        decode_all([frame, report, frame], EXPECTED)


def test_more_messages_than_there_are_workers_are_refused() -> None:
    assert len(decode_all(MESSAGES[0] * WORKERS, EXPECTED)) == WORKERS
    with pytest.raises(WireError, match="more messages than the run's 4 workers"):
        decode_all(MESSAGES[0] * (WORKERS + 1), EXPECTED)
    with pytest.raises(WireError, match="2 messages where one was expected"):
        decode(MESSAGES[0] * 2, EXPECTED)


def one_by_one(frames: list[bytes]) -> list[Packet] | str:
    """What a decoder makes of messages of two frames each that looks at no other message."""
    try:
        return [decode(frames[at : at + 2], EXPECTED)[0] for at in range(0, len(frames), 2)]
    except WireError as error:
        return str(error)


def together(frames: list[bytes]) -> list[Packet] | str:
    try:
        return [packet for packet, _ in decode_all(frames, EXPECTED)]
    except WireError as error:
        return str(error)


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_of_messages_alike_one_with_a_byte_changed_is_taken_or_refused_as_if_alone(
    number: int,
) -> None:
    frames = MESSAGES[number] * 3
    for changed in (0, 2, 4, 1, 3):
        for place in range(len(frames[changed])):
            for value in (0, 1, 4, 5, 0x7F, 0x80, 0xC0, 0xCC, 0xCD, 0xCF, 0xFF):
                frame = bytearray(frames[changed])
                frame[place] = value
                damaged = [*frames[:changed], bytes(frame), *frames[changed + 1 :]]
                assert str(together(damaged)) == str(one_by_one(damaged))


def test_rounds_and_ranks_in_wide_integers_are_not_mistaken_for_each_other() -> None:
    def frame(round: bytes, rank: bytes) -> bytes:
        return b"\x95\x03\x07" + round + rank + b"\x00"

    wide = [b"\xcf" + bytes(7) + bytes([number]) for number in (1, 2)]
    for heads in (
        [(wide[0], b"\x01"), (wide[1], b"\x01")],
        [(b"\x01", wide[0]), (b"\x01", wide[1])],
    ):
        frames = [part for head in heads for part in (frame(*head), REPORT)]
        assert str(together(frames)) == str(one_by_one(frames))


def test_too_many_scalars_are_refused() -> None:
    frames = encode(Packet(Kind.MESSAGE, 0, 0, (), (True,) * 1025)).all()
    with pytest.raises(WireError, match="plain scalars"):
        decode(frames, EXPECTED)


@pytest.mark.parametrize("frame", CONTROLS)
def test_every_truncation_of_a_control_message_is_refused(frame: bytes) -> None:
    for length in range(len(frame)):
        with pytest.raises(WireError):
            decode_control([frame[:length]])
    with pytest.raises(WireError):
        decode_control([frame + b"\0"])
    with pytest.raises(WireError):
        decode_control([frame, b""])


@settings(max_examples=800, deadline=None)
@given(damaged([[frame] for frame in CONTROLS]))
def test_a_damaged_control_message_is_taken_or_refused(frames: list[bytes]) -> None:
    try:
        message = decode_control(frames)
    except WireError:
        return
    assert isinstance(message.fields, dict)
    assert all(isinstance(key, str) for key in message.fields)


def test_the_fields_of_a_control_message_have_names() -> None:
    for key in (b"key", 7, None):
        frame = msgpack.packb([3, 1, {key: 1}])
        with pytest.raises(WireError):
            decode_control([frame])


def test_a_control_message_has_a_bounded_size() -> None:
    with pytest.raises(WireError, match="bounded size"):
        decode_control([b"\x93\x03\x01" + b"\0" * LARGEST_CONTROL])


@pytest.mark.parametrize("frames", [[], [b""], [b"\x98"], [b"\x98\x02"], [b"GET / HTTP/1.1"]])
def test_what_is_no_message_has_no_kind(frames: list[bytes]) -> None:
    with pytest.raises(WireError):
        kind_of(frames)
