"""Which way indices travel, as a header says it, and what that weighs."""

import msgpack
import pytest
import torch
from playing import play
from wires import assert_same, payload, together

from psim.errors import WireError
from psim.vectors import Sparse
from psim.wire import golomb, indices
from psim.wire.decode import Expected, decode, decode_all
from psim.wire.encode import encode
from psim.wire.messages import Kind, Packet

SIZE = 12


def sparse(size: int, *listed: int) -> Packet:
    values = torch.ones(len(listed), dtype=torch.float64)
    return Packet(Kind.UPDATE, 200, 3, (Sparse(size, torch.tensor(listed), values),))


def message(fields: list[int], body: bytes) -> list[bytes]:
    return [msgpack.packb([3, int(Kind.UPDATE), 1, 0, 1, *fields]) + body]


def test_a_coded_message_is_written_as_documented() -> None:
    # Gaps 13, 1, 14 and M = 6: remainders 1, 1, 2, of which the last is written as 4 in 3 bits.
    # From the first bit on: 10 10 01, 0, 001 1 001.
    (frame,) = encode(sparse(1000, 13, 15, 30), "coded").frames
    header = bytes.fromhex("99 03 06 cc c8 03 01 30 03 04 02")
    assert frame == header + bytes.fromhex("25 26") + bytes.fromhex("00 00 00 00 00 00 f0 3f") * 3


def test_the_top_1_message_stays_raw() -> None:
    packet = sparse(123, 5)
    assert encode(packet).frames == encode(packet, "raw").frames
    assert len(encode(packet, "coded").frames[0]) == 18 + 2


@pytest.mark.parametrize("form", ["sparse", "signs", "powers"])
def test_auto_is_the_smaller_of_the_two_unless_the_message_is_tiny(form: str) -> None:
    chosen = set()
    for size, width in [(123, 1), (300, 2), (70_000, 4)]:
        for count in (0, 1, 2, 4, 8, 9, 16, 17, 40, 100, 123):
            packet = Packet(Kind.MESSAGE, 0, 0, (payload(form, size, count),))
            raw, coded, auto = (encode(packet, m).size for m in ("raw", "coded", "auto"))
            tiny = count * width <= indices.TINY
            assert auto == (raw if tiny else min(raw, coded))
            assert raw.payload - auto.payload >= 0
            chosen.add(auto == raw)
            if tiny:
                assert raw.payload - coded.payload <= 8, "tiny messages lose little"
    assert chosen == {True, False}


@pytest.mark.parametrize("form", ["sparse", "signs", "powers"])
@pytest.mark.parametrize(("size", "count"), [(SIZE, 0), (SIZE, 5), (SIZE, SIZE), (60_000, 9000)])
def test_coded_indices_arrive(form: str, size: int, count: int) -> None:
    packet = Packet(Kind.MESSAGE, 1, 0, (payload(form, size, count),) * 2, (0.5,), 0.25)
    encoded = encode(packet, "coded")
    arrived, measured = decode([bytes(f) for f in encoded.all()], Expected(size, 1, 1, 2))
    assert_same(packet, arrived)
    assert measured == encoded.size


def test_hosts_with_and_without_compiled_code_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    packet = Packet(Kind.MESSAGE, 1, 0, (payload("sparse", 60_000, 9000),))
    frames = [bytes(frame) for frame in encode(packet).all()]
    monkeypatch.setattr(indices, "_compiled", lambda: golomb)
    assert [bytes(frame) for frame in encode(packet).all()] == frames
    assert_same(packet, decode(frames, Expected(60_000, 1, 1))[0])


def test_coded_messages_of_a_host_travel_together() -> None:
    packets = [Packet(Kind.MESSAGE, 1, rank, (payload("sparse", 99, 40),)) for rank in range(3)]
    packets.append(Packet(Kind.MESSAGE, 1, 3, (payload("sparse", 99, 3),)))
    arrived = decode_all(together(encode(p, "coded") for p in packets), Expected(99, 4, 1))
    for packet, (other, measured) in zip(packets, arrived, strict=True):
        assert_same(packet, other)
        assert measured == encode(packet, "coded").size


GOOD = [0x30, 3, 0, 1]


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (1, SIZE + 1, "vectors here have 12 entries"),
        (1, 2, "its header announces"),
        (2, 63, "coded with parameter 63: 62 is the last"),
        (2, -1, "no natural number"),
        (2, 2, "no list of 3 indices below 12"),
        (3, 0, "0 B of coded indices: 3 below 12 take 1 to 2"),
        (3, 3, "3 B of coded indices"),
        (3, 2**40, "B of coded indices"),
        (3, 2, "its header announces"),
    ],
)
def test_a_wrong_field_of_coded_indices_is_named(place: int, value: int, complaint: str) -> None:
    body = b"\x32" + bytes(24)
    arrived, _ = decode(message(GOOD, body), Expected(SIZE, 4, 9))
    assert arrived.payloads[0].indices.tolist() == [1, 4, 5]
    fields = list(GOOD)
    fields[place] = value
    with pytest.raises(WireError, match=complaint):
        decode(message(fields, body), Expected(SIZE, 4, 9))


@pytest.mark.parametrize("form", ["sparse", "signs"])
def test_the_length_of_a_frame_of_coded_indices_is_not_said(form: str) -> None:
    size, count = 60_000, 20_000
    packet = Packet(Kind.UPDATE, 1, 0, (payload(form, size, count),))
    header, listed, *others = [bytes(frame) for frame in encode(packet, "coded").frames]
    fields = msgpack.unpackb(header)
    place = 8  # behind version, kind, round, rank, one payload, its code, k, the parameter
    assert fields[place] == 0
    expected = Expected(size, 1, 1)
    assert_same(packet, decode([header, listed, *others], expected)[0])
    fields[place] = len(listed)
    said = msgpack.packb(fields)
    with pytest.raises(WireError, match="coded indices in a frame of their own and"):
        decode([said, listed, *others], expected)
    for wrong in (b"", listed[: count // 8 - 1], listed + bytes(size)):
        with pytest.raises(WireError, match="B of coded indices: 20000 below 60000 take"):
            decode([header, wrong, *others], expected)
    with pytest.raises(WireError):
        decode([header], expected)


def test_however_indices_travel_the_run_is_the_same() -> None:
    runs = {
        manner: play(
            {
                "rounds": 6,
                "workers": 3,
                "problem": {"name": "quadratic", "dimension": 400, "mu": 0.5},
                "start": {"kind": "normal", "seed": 1},
                "method": {"name": "ef21", "downlink": "update"},
                "compressor": {"name": "topk", "k": 40},
                "wire": {"indices": manner},
            }
        )
        for manner in ("raw", "coded", "auto")
    }
    last = {manner: played.rows[-1] for manner, played in runs.items()}
    for manner in ("coded", "auto"):
        for mine, plain in zip(runs[manner].iterates, runs["raw"].iterates, strict=True):
            assert mine.tobytes() == plain.tobytes()
        assert last[manner]["up_bits"] == last["raw"]["up_bits"]
        for way in ("up_payload", "up_framed", "down_framed"):
            assert last[manner][way] < last["raw"][way]
    assert last["auto"] == last["coded"]
