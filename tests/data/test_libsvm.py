import bz2
import gzip
import lzma

import numpy as np
import pytest

from psim.data import libsvm
from psim.errors import DataError

TEXT = b"+1 1:0.5 3:-2\n-1 2:1e-3\n\n+1\n-1 1:1 2:2 3:3"
DENSE = [[0.5, 0, -2], [0, 1e-3, 0], [0, 0, 0], [1, 2, 3]]


@pytest.fixture
def write(tmp_path):
    def write(text: bytes, name: str = "data"):
        path = tmp_path / name
        path.write_bytes(text)
        return path

    return write


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_files_are_read_however_packed(write, pack):
    rows = libsvm.read(write(pack(TEXT)))
    np.testing.assert_array_equal(rows.features.toarray(), DENSE)
    np.testing.assert_array_equal(rows.labels, [1, -1, 1, -1])
    assert rows.features.dtype == np.float64


def test_a_dimension_widens(write):
    assert libsvm.read(write(TEXT), 7).size == 7


def test_windows_line_ends_and_tabs_do_no_harm(write):
    path = write(TEXT.replace(b"\n", b"\r\n").replace(b" ", b"\t "))
    np.testing.assert_array_equal(libsvm.read(path).features.toarray(), DENSE)


def test_written_zeros_are_left_out(write):
    assert libsvm.read(write(b"1 1:0 2:5\n0 2:0\n")).features.nnz == 1


@pytest.mark.parametrize(("low", "high"), [("0", "1"), ("1", "2"), ("-1", "+1"), ("-3.5", "2e3")])
def test_the_smaller_label_becomes_minus_one(write, low, high):
    rows = libsvm.read(write(f"{high} 1:1\n{low} 1:2\n{low} 1:3\n".encode()))
    np.testing.assert_array_equal(rows.labels, [1, -1, -1])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("one 1:1", "'one'"),
        ("1:1 2:2", "'1:1'"),
        ("1,2 1:1", "'1,2'"),
        ("nan 1:1", "'nan'"),
        ("1e999 1:1", "'1e999'"),
        ("1 1:nan", "'1:nan'"),
        ("1 1:inf", "'1:inf'"),
        ("1 1:1e999", "'1:1e999'"),
        ("1 1:1_0", "'1:1_0'"),
        ("1 1:0x10", "'1:0x10'"),
        ("1 1:2:3", "'1:2:3'"),
        ("1 1:", "'1:'"),
        ("1 :5", "':5'"),
        ("1 7", "'7'"),
        ("1 1.5:2", "'1.5:2'"),
        ("1 -2:1", "'-2:1'"),
        ("1 qid:3 1:1", "'qid:3'"),
        ("1 1:1 # note", "'#'"),
        ("1 0:1 1:1", "index is 0"),
        ("1 2:1 1:1", "index 1 comes after 2"),
        ("1 2:1 2:1", "index 2 comes after 2"),
        ("1 4:1", "index 4 exceeds the dimension 3"),
        ("1 99999999999999999999:1", "'99999999999999999999:1'"),
        ("1 1:\xff", "xff"),
        ("\x00\x01\x02", "x00"),
    ],
)
def test_a_wrong_line_is_named(write, line, found):
    path = write(b"1 1:1\n-1 2:1\n" + line.encode("latin-1") + b"\n1 3:1\n")
    with pytest.raises(DataError) as error:
        libsvm.read(path, 3)
    said = str(error.value)
    assert said.startswith(f"{path}, line 3: ")
    assert found in said
    assert "\n" not in said


def test_a_file_that_counts_from_zero_is_refused(write):
    with pytest.raises(DataError, match="line 1: an index is 0: indices start at 1"):
        libsvm.read(write(b"1 0:1\n2 1:1\n"))


def test_an_index_beyond_memory_is_refused_without_a_dimension(write):
    with pytest.raises(DataError, match="line 2"):
        libsvm.read(write(b"1 1:1\n0 9999999999:1\n"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"1 1:1\n1 1:2\n", "1 classes (1)"),
        (b"1 1:1\n2 1:2\n3 1:1\n", "3 classes (1, 2, 3)"),
        (b"\n".join(b"%d 1:1" % label for label in range(9)), "9 classes (0, 1, 2, 3, 4, …)"),
    ],
)
def test_other_than_two_classes_are_named(write, text, found):
    path = write(text)
    with pytest.raises(DataError) as error:
        libsvm.read(path)
    assert str(error.value).startswith(f"{path}: has {found}")


@pytest.mark.parametrize("text", [b"", b"\n\n"])
def test_a_file_without_samples_is_refused(write, text):
    path = write(text)
    with pytest.raises(DataError, match=str(path)):
        libsvm.read(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_file_cut_short_is_named(write, pack):
    path = write(pack(TEXT * 100)[:-9])
    with pytest.raises(DataError, match=r"cannot be read.*complete"):
        libsvm.read(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        libsvm.read(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read"):
        libsvm.read(tmp_path)


def test_text_that_is_too_large_is_refused(write):
    with pytest.raises(DataError, match="larger than 100 B"):
        libsvm.read_text(write(lzma.compress(b"1 1:1\n" * 1000)), 100)
