"""The next round's model, recognized by its header: what `decode` reads, and nothing else."""

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from wires import DTYPES, values

from psim.vectors import Dense
from psim.wire.decode import Expected, decode
from psim.wire.encode import encode
from psim.wire.heads import number
from psim.wire.layout import INLINE
from psim.wire.messages import Kind, Packet
from psim.wire.models import Models

SIZE, ROUNDS = 40, 70_000
EXPECTED = Expected(SIZE, 3, ROUNDS, payloads=2)


def frames(round, dtype=torch.float64, size=SIZE, rank=0, kind=Kind.MODEL):
    return encode(Packet(kind, round, rank, (Dense(values(size, dtype)),))).all()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
@pytest.mark.parametrize("round", [0, 1, 127, 128, 255, 256, 65_535, 65_536, ROUNDS])
def test_it_is_what_decode_reads(round, dtype):
    sent = frames(round, dtype)
    found = Models(SIZE, dtype, ROUNDS).read(sent, round)
    read, _ = decode(sent, EXPECTED)
    assert (found.kind, found.round, found.rank, found.scalars) == (Kind.MODEL, round, 0, ())
    (mine,), (other,) = found.payloads, read.payloads
    assert mine.values.dtype == other.values.dtype == dtype
    assert bytes(mine.values.view(torch.uint8).numpy()) == bytes(
        other.values.view(torch.uint8).numpy()
    )


def test_its_memory_is_its_own():
    sent = bytearray(frames(3)[0])
    found = Models(SIZE, torch.float64, ROUNDS).read([sent], 3)
    before = found.payloads[0].values.clone()
    sent[:] = bytes(len(sent))
    np.testing.assert_array_equal(found.payloads[0].values, before)


@pytest.mark.parametrize(
    "sent",
    [
        frames(4),
        frames(3, torch.float32),
        frames(3, size=SIZE + 1),
        frames(3, rank=1),
        frames(3, kind=Kind.UPDATE),
        [*frames(3), b""],
        [frames(3)[0][:-1]],
        [frames(3)[0] + b"0"],
        [b""],
        [],
    ],
)
def test_everything_else_is_left_to_decode(sent):
    assert Models(SIZE, torch.float64, ROUNDS).read(sent, 3) is None


def test_so_are_rounds_that_there_are_not():
    assert Models(SIZE, torch.float64, 2).read(frames(3), 3) is None


def test_so_are_models_that_are_not_one_frame():
    size = INLINE // 8 + 1
    assert Models(size, torch.float64, ROUNDS).read(frames(3, size=size), 3) is None


@given(st.integers(0, 2**32 - 1) | st.sampled_from([127, 128, 255, 256, 65_535, 65_536]))
def test_numbers_are_msgpacks(value):
    assert number(value) == msgpack.packb(value)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 12), st.integers(0, 255))
def test_a_header_with_another_byte_is_not_recognized(place, byte):
    (frame,) = frames(3)
    changed = frame[:place] + bytes([byte]) + frame[place + 1 :]
    found = Models(SIZE, torch.float64, ROUNDS).read([changed], 3)
    head = len(frame) - 8 * SIZE
    assert (found is None) == (place < head and changed != frame)
