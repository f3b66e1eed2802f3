"""Headers that are known by the last one: what `decode` reads of them, or nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from wires import payload

from psim.errors import WireError
from psim.wire.decode import Expected, decode, decode_together
from psim.wire.encode import encode
from psim.wire.familiar import Familiar
from psim.wire.messages import Kind, Packet

SIZE, WORKERS, ROUNDS = 40, 127, 1 << 20
EXPECTED = Expected(SIZE, WORKERS, ROUNDS, payloads=2)
NUMBERS = st.integers(0, ROUNDS) | st.sampled_from([127, 128, 255, 256, 65_535, 65_536])


def sent(round, rank, form="sparse", count=2, scalars=()):
    payloads = (payload(form, SIZE, count),)
    return encode(Packet(Kind.MESSAGE, round, rank, payloads, scalars), "raw").all()


def taught(*message):
    familiar = Familiar()
    decode_together(sent(*message), EXPECTED, message[0], familiar)
    return familiar


@given(NUMBERS, NUMBERS, st.integers(0, WORKERS), st.integers(0, WORKERS))
def test_another_round_and_rank_are_read_as_ever(before, round, rank, other):
    familiar, frames = taught(before, rank), sent(round, other)
    header = familiar.read(frames[0], round)
    assert header is not None
    packet, _ = decode(frames, EXPECTED)
    assert (header.kind, header.round, header.rank) == (packet.kind, packet.round, packet.rank)
    assert header.length == len(frames[0]) - 2 - 2 * 8
    (table,) = decode_together(frames, EXPECTED, round, familiar).tables
    assert torch.equal(table.row(0).values, packet.payloads[0].values)
    assert torch.equal(table.row(0).indices, packet.payloads[0].indices)


@pytest.mark.parametrize(
    "other",
    [sent(9, 1), sent(8, 1, "dense"), sent(8, 1, count=3), sent(8, 1, scalars=(1,)), sent(8, 200)],
)
def test_what_differs_in_anything_else_is_not_known(other):
    assert taught(7, 1).read(other[0], 8) is None


@given(st.integers(0, 7), st.integers(0, 255))
def test_a_header_with_another_byte_is_read_as_ever_or_not_at_all(place, byte):
    familiar, (frame, report) = taught(7, 1), sent(8, 1)
    changed = frame[:place] + bytes([byte]) + frame[place + 1 :]
    header = familiar.read(changed, 8)
    if header is None:
        return
    packet, _ = decode([changed, report], EXPECTED)
    assert (header.kind, header.round, header.rank) == (packet.kind, packet.round, packet.rank)


def test_nothing_is_known_at_first_and_garbage_is_not_remembered():
    familiar = Familiar()
    assert familiar.read(sent(1, 1)[0], 1) is None
    with pytest.raises(WireError):
        decode_together([b"\x93\x03\x07", b""], EXPECTED, 1, familiar)
    assert familiar.read(sent(1, 1)[0], 1) is None
