"""Sets of ranks as people write them: ``3``, ``0-3``, ``0-3, 7`` or a list of these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from psim.errors import ConfigError

LARGEST = 1_000_000
_RANGE = re.compile(r"\s*([0-9]{1,7})\s*(?:-\s*([0-9]{1,7})\s*)?")


def parse(value: object) -> tuple[int, ...]:
    """The ranks, ascending. Raises ConfigError."""
    parts: Iterable[object] = value.split(",") if isinstance(value, str) else [value]
    if isinstance(value, list | tuple):
        return tuple(sorted({rank for part in value for rank in parse(part)}))
    ranks: set[int] = set()
    for part in parts:
        match = _RANGE.fullmatch(str(part)) if type(part) in (str, int) else None
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < LARGEST:
            raise ConfigError(f"{part!r} is no rank or range of ranks: write 3, 0-3 or 0-3, 7")
        ranks.update(range(first, last + 1))
    return tuple(sorted(ranks))


def text(ranks: tuple[int, ...]) -> str:
    """The shortest text that `parse` reads as these ranks."""
    parts: list[list[int]] = []
    for rank in ranks:
        if parts and parts[-1][-1] == rank - 1:
            parts[-1] = [parts[-1][0], rank]
        else:
            parts.append([rank])
    return ", ".join("-".join(map(str, part)) for part in parts)


def by_rank(value: object) -> object:
    """A mapping whose keys are sets of ranks, written out rank by rank."""
    if not isinstance(value, Mapping):
        return value
    written: dict[int, object] = {}
    for ranks, each in value.items():
        for rank in parse(ranks):
            if rank in written:
                raise ConfigError(f"rank {rank} stands there twice: keep one of the two")
            written[rank] = each
    return written


def check(ranks: Iterable[int], workers: int, where: str) -> None:
    """Raises ConfigError for a rank that there isn't."""
    for rank in ranks:
        if not 0 <= rank < workers:
            raise ConfigError(f"rank {rank} is not among the ranks 0 to {workers - 1}", where)


Ranks = Annotated[tuple[int, ...], BeforeValidator(parse), PlainSerializer(text)]
