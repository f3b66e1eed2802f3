"""The code of indices: as its text says, near the bound, safe, and the same compiled and plain.

``string`` is the code once more, gap by gap and bit by bit, from docs/wire.md.
"""

from itertools import combinations, product
from math import comb, lgamma, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psim.errors import WireError
from psim.wire import golomb, kernel

CODERS = pytest.mark.parametrize("coder", [golomb, kernel], ids=["plain", "compiled"])
DIVISORS = [1, 2, 3, 4, 6, 8, 12, 16, 24]


def listed(indices: list[int]) -> np.ndarray:
    return np.array(indices, dtype=np.int64)


def string(indices: list[int], divisor: int) -> bytes:
    """The fields, the last bits, the quotients; as text, the first bit first."""
    fields, lasts, unary = "", "", ""
    width = divisor.bit_length() - 1
    half = divisor - 2**width
    before = -1
    for index in indices:
        quotient, remainder = divmod(index - before - 1, divisor)
        before = index
        if half and remainder >= half:
            lasts += str((remainder + half) % 2)
            remainder = (remainder + half) // 2
        fields += "".join(str(remainder >> bit & 1) for bit in range(width))
        unary += "0" * quotient + "1"
    bits = fields + lasts + unary
    padded = bits + "0" * (-len(bits) % 8)
    return bytes(int(padded[at : at + 8][::-1], 2) for at in range(0, len(padded), 8))


def bound(size: int, count: int) -> float:
    """log2 C(d, k), in bits."""
    return (lgamma(size + 1) - lgamma(count + 1) - lgamma(size - count + 1)) / log(2)


def test_parameters_stand_for_the_documented_divisors() -> None:
    assert [golomb.code(parameter).divisor for parameter in range(9)] == DIVISORS
    assert golomb.code(golomb.PARAMETERS - 1).divisor == 3 << 30


@CODERS
def test_every_list_of_a_small_vector_is_written_and_read_as_documented(coder) -> None:
    size = 6
    for count in range(size + 1):
        for indices in combinations(range(size), count):
            for parameter, divisor in enumerate(DIVISORS):
                code = golomb.code(parameter)
                written = coder.write(listed(indices), code).tobytes()
                assert written == string(indices, divisor)
                assert code.least(count) <= 8 * len(written) < code.most(count, size) + 8
                assert coder.decode(written, count, size, code).tolist() == list(indices)


@CODERS
def test_no_other_bytes_are_a_list(coder) -> None:
    """Of all strings, as many are taken as there are lists, and each is the one of its list."""
    size = 7
    for count, parameter in product((0, 1, 2, 3), range(5)):
        code, taken = golomb.code(parameter), 0
        for number in range(1 + 2**8):  # none, or one byte
            body = bytes([number - 1]) if number else b""
            try:
                indices = coder.decode(body, count, size, code)
            except WireError:
                continue
            assert string(indices.tolist(), code.divisor) == body
            taken += 1
        short = [c for c in combinations(range(size), count) if len(string(c, code.divisor)) < 2]
        assert taken == len(short)
    assert taken < comb(size, count), "some lists take two bytes"


@st.composite
def lists(draw: st.DrawFn) -> list[int]:
    """Increasing indices with gaps of several sizes."""
    gaps = draw(st.lists(st.integers(0, 2 ** draw(st.integers(0, 20))), max_size=60))
    return (np.cumsum(listed(gaps) + 1) - 1).tolist()


@given(lists(), st.integers(0, 44))
def test_compiled_and_plain_write_and_read_the_same(indices: list[int], parameter: int) -> None:
    code = golomb.code(parameter)
    if code.most(len(indices), max(indices, default=0) + 1) < 1 << 16:
        written = golomb.write(listed(indices), code).tobytes()
        assert kernel.write(listed(indices), code).tobytes() == written
        assert string(indices, code.divisor) == written
    one, other = golomb.encode(listed(indices)), kernel.encode(listed(indices))
    assert (one[0], one[1].tobytes()) == (other[0], other[1].tobytes())
    for coder in (golomb, kernel):
        size = max(indices, default=0) + 1
        arrived = coder.decode(one[1].tobytes(), len(indices), size, golomb.code(one[0]))
        assert arrived.tolist() == indices
        assert arrived.dtype == np.int64


@given(st.binary(max_size=30), st.integers(0, 40), st.integers(0, 62), st.integers(0, 2000))
def test_any_bytes_are_a_list_to_both_or_to_neither(
    body: bytes, count: int, parameter: int, size: int
) -> None:
    found = []
    for coder in (golomb, kernel):
        try:
            found.append(coder.decode(body, count, size, golomb.code(parameter)).tolist())
        except WireError:
            found.append(None)
    assert found[0] == found[1]
    if found[0] is not None:
        assert len(found[0]) == count
        assert all(a < b for a, b in zip([-1, *found[0]], [*found[0], size], strict=True))


@given(lists().filter(bool), st.data())
def test_a_damaged_string_is_refused_or_another_list(indices: list[int], data) -> None:
    """Cut, longer by a byte, or with a bit turned over: never the same list."""
    parameter, written = kernel.encode(listed(indices))
    body = bytearray(written.tobytes())
    if data.draw(st.booleans()):
        bit = data.draw(st.integers(0, 8 * len(body) - 1))
        body[bit // 8] ^= 1 << bit % 8
        changed = [bytes(body)]
    else:
        changed = [bytes(body[:-1]), bytes(body) + b"\0", bytes(body) + b"\1"]
    for other in changed:
        for coder in (golomb, kernel):
            size = indices[-1] + 1
            try:
                arrived = coder.decode(other, len(indices), size, golomb.code(parameter))
            except WireError:
                continue
            assert arrived.tolist() != indices
            assert len(other) == len(body)


@CODERS
def test_the_divisor_1_is_the_bitmap(coder) -> None:
    rng = np.random.default_rng(1)
    chosen = rng.random(1000) < 0.6
    chosen[-1] = True
    parameter, written = coder.encode(np.flatnonzero(chosen))
    assert parameter == 0
    assert written.tobytes() == np.packbits(chosen, bitorder="little").tobytes()


@pytest.mark.parametrize(
    ("ratio", "above"),
    [(r, 0.01) for r in (1e-4, 1e-3, 0.0086, 0.01, 0.0345, 0.04)]
    + [(r, 0.035) for r in (0.0486, 0.095, 0.18, 0.245, 0.3)],
)
def test_uniform_positions_take_little_more_than_the_entropy_bound(ratio, above) -> None:
    """Between two divisors, as at most of these ratios, a Golomb code is at its worst."""
    count = 20_000
    size = round(count / ratio)
    indices = np.sort(np.random.default_rng(2).choice(size, count, replace=False))
    parameter, written = kernel.encode(indices)
    assert bound(size, count) <= 8 * written.size <= (1 + above) * bound(size, count)
    lengths = [kernel.write(indices, golomb.code(p)).size for p in range(32)]
    assert min(lengths) == lengths[parameter] == written.size


@pytest.mark.parametrize("shape", ["runs", "powers", "layers"])
def test_no_other_parameter_is_better_for_lists_that_are_not_uniform(shape: str) -> None:
    indices = {
        "runs": (np.arange(40)[:, None] * 100_000 + np.arange(50)).ravel(),
        "powers": np.unique((1.01 ** np.arange(200, 2000)).astype(np.int64)),
        "layers": np.concatenate([np.arange(0, 3000, 3), np.arange(3000, 10**6, 997)]),
    }[shape]
    _, written = kernel.encode(indices)
    low = 6  # below, strings are as long as the vector
    lengths = [kernel.write(indices, golomb.code(p)).size for p in range(low, golomb.PARAMETERS)]
    assert written.size == min(lengths)


@CODERS
@pytest.mark.parametrize("indices", [[3, 3], [4, 2], [-1], [0, 5, 1]])
def test_indices_that_do_not_increase_are_not_coded(coder, indices: list[int]) -> None:
    for write in (coder.encode, lambda each: coder.write(each, golomb.code(2))):
        with pytest.raises(WireError, match="do not increase strictly from 0"):
            write(listed(indices))
