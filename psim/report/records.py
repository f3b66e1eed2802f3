"""Reading the files of a run folder: JSON lines, strictly, and the rows as a DataFrame.

A run may have been cut short at any byte, so a last line without its end is left out. Anything
else that is not what psim writes is an error that names the file and the line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import polars as pl

from psim.errors import DataError
from psim.report.fields import FIELDS

Record = dict[str, object]

_DTYPES: dict[str, type[pl.DataType]] = {
    name: pl.Int64 if field.kind == "int" else pl.Float64 for name, field in FIELDS.items()
}


def rows(path: Path) -> pl.DataFrame:
    """``rounds.jsonl`` as a table: Int64 and Float64 columns, null where nothing was computed.

    Every field of `FIELDS` is a column, in that order; further numbers follow as Float64.
    """
    columns: dict[str, list[int | float | None]] = {name: [] for name in FIELDS}
    count = last = -1
    for number, record in lines(path):
        count += 1
        last = _next_round(record.get("round"), last, path, number)
        for name in record.keys() - columns.keys():
            columns[name] = [None] * count
        for name, values in columns.items():
            values.append(_number(record.get(name), name, path, number))
    extra = sorted(columns.keys() - FIELDS.keys())
    return pl.DataFrame(
        [
            pl.Series(name, columns[name], _DTYPES.get(name, pl.Float64))
            for name in (*FIELDS, *extra)
        ]
    )


def no_rows() -> pl.DataFrame:
    """The table of a run that has not begun: the columns, and nothing in them."""
    return pl.DataFrame(schema=dict(_DTYPES))


def lines(path: Path) -> Iterable[tuple[int, Record]]:
    """The objects of a file of JSON lines, with their line numbers; a torn last one is left out."""
    *whole, torn = _read(path).split(b"\n")
    for number, line in enumerate(whole, 1):
        yield number, _parse(line, path, number)
    if torn.rstrip().endswith(b"}"):  # complete but for its newline, if it parses
        try:
            last = _parse(torn, path, len(whole) + 1)
        except DataError:
            return
        yield len(whole) + 1, last


def document(path: Path) -> Record:
    """The JSON object in the file at ``path``."""
    return _parse(_read(path), path, None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _parse(text: bytes, path: Path, number: int | None) -> Record:
    place = str(path) if number is None else f"{path}, line {number}"
    try:
        record = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}: {_excerpt(text)}") from None
    if not isinstance(record, dict):
        raise DataError(f"{place}: not a JSON object: {_excerpt(text)}")
    return record


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _excerpt(text: bytes) -> str:
    start = text[:40].decode(errors="replace")
    return repr(start + ("…" if len(text) > 40 else ""))


def _next_round(value: object, last: int, path: Path, number: int) -> int:
    if type(value) is not int or value <= last:
        raise DataError(
            f"{path}, line {number}: round = {value!r}: a whole number above {last} must stand here"
        )
    return value


def _number(value: object, name: str, path: Path, number: int) -> int | float | None:
    if value is None:
        return None
    whole = _DTYPES.get(name) is pl.Int64
    if type(value) is int and abs(value) < 2**63:
        return value if whole else float(value)
    if type(value) is float and math.isfinite(value) and not whole:
        return value
    kind = "whole number" if whole else "finite number"
    raise DataError(f"{path}, line {number}: {name} = {value!r} is no {kind}")
