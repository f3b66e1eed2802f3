"""Fixtures of all tests: psim commands, as processes that do not outlive their test, or here."""

import gc
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from processes import SMALL, Command, write

from psim import cli
from psim.launch.pages import inherited
from psim.launch.signals import SIGNALS

Psim = Callable[..., Command]
Called = Callable[..., tuple[int, str, str]]

# A machine that does other things as well is slow now and then; that says nothing of psim.
hypothesis.settings.register_profile("psim", deadline=None)
hypothesis.settings.load_profile("psim")

# A shell's background job ignores SIGINT, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Called]:
    """Runs a psim command in this process: its exit code, and what it printed.

    A command that is over ignores signals and the cycle collector's work, since its process ends,
    and leaves its environment as it is. Here all are as before then.
    """
    monkeypatch.chdir(tmp_path)
    thresholds = gc.get_threshold()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def called(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["psim", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    with inherited():
        yield called
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small config with some keys changed."""

    def writing(name: str = "small.yaml", **changes: object) -> Path:
        return write(tmp_path / name, {**SMALL, **changes})

    return writing
