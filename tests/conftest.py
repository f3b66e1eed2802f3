"""Fixtures of all tests: psim's commands as processes, none of which outlives its test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from processes import SMALL, Command, write

Psim = Callable[..., Command]

# A machine that does other things as well is slow now and then; that says nothing of psim.
hypothesis.settings.register_profile("psim", deadline=None)
hypothesis.settings.load_profile("psim")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts Python with some arguments, in the test's folder."""
    started: list[Command] = []

    def starting(*arguments: object, **environment: str) -> Command:
        started.append(Command([str(argument) for argument in arguments], tmp_path, environment))
        return started[-1]

    yield starting
    for command in started:
        command.end()


@pytest.fixture
def psim(start: Callable[..., Command]) -> Psim:
    """Starts a psim command."""

    def starting(*arguments: object, **environment: str) -> Command:
        return start("-m", "psim", *arguments, **environment)

    return starting


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small config with some keys changed."""

    def writing(name: str = "small.yaml", **changes: object) -> Path:
        return write(tmp_path / name, {**SMALL, **changes})

    return writing
