"""Rows that are kept for processes to come, and when they are read anew."""

import os
from pathlib import Path

import numpy as np
import pytest

from psim.data import read
from psim.data.read import keep_rows, read_rows
from psim.errors import DataError
from psim.problems.rows import Rows


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_kept", {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "mine.txt"
    made.write_text("1 1:0.5 3:2\n-1 2:1\n")
    return made


def same(one: Rows, other: Rows) -> bool:
    features = [
        rows.features.toarray() if hasattr(rows.features, "toarray") else rows.features
        for rows in (one, other)
    ]
    return np.array_equal(*features) and np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize("dimension", [None, 40])
def test_kept_rows_are_those_that_are_read(dimension: int | None) -> None:
    plain = read_rows("breast_cancer", dimension)
    keep_rows("breast_cancer", dimension)
    kept = read_rows("breast_cancer", dimension)
    assert kept is read_rows("breast_cancer", dimension), "they are not read again"
    assert same(kept, plain)
    other = read_rows("breast_cancer", 31)
    assert other is not kept
    assert other.size == 31


def test_a_file_is_read_once_for_as_long_as_it_is_the_same(path: Path) -> None:
    keep_rows(str(path))
    kept = read_rows(str(path))
    assert kept is read_rows(str(path))
    assert kept.size == 3
    path.write_text("1 1:0.5 4:2\n-1 2:1\n")
    os.utime(path, ns=(0, 0))
    assert read_rows(str(path)).size == 4


def test_another_file_of_that_name_is_read(path: Path) -> None:
    keep_rows(str(path))
    before = path.stat()
    other = path.with_suffix(".new")
    other.write_text("1 1:0.5 3:3\n-1 2:1\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)
    assert read_rows(str(path)).features[0, 2] == 3


def test_a_file_that_is_gone_is_missed(path: Path) -> None:
    keep_rows(str(path))
    path.unlink()
    with pytest.raises(DataError):
        read_rows(str(path))
    with pytest.raises(DataError):
        keep_rows(str(path))
