"""Health checks: what a process answers, and what is made of it."""

import socket
import threading
import time

import pytest

from psim.errors import ConfigError
from psim.launch.health import answering, ask, check
from psim.runtime.pulse import Pulse


@pytest.fixture
def path(tmp_path):
    return tmp_path / "psim.sock"


@pytest.fixture
def checked(tmp_path, path, monkeypatch, capsys):
    """Runs a health check: its exit code and what it says."""
    for name in ("PSIM_HEALTH", "PSIM_PATIENCE"):
        monkeypatch.delenv(name, raising=False)
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"health: {path}\npatience: 60 s\n")

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            check(settings, arguments)
        return ended.value.code, capsys.readouterr().out

    return run


def test_it_answers_as_often_as_it_is_asked(path):
    pulse = Pulse("round 3")
    with answering(path, pulse):
        assert ask(path)["doing"] == "round 3"
        pulse.doing = "round 4"
        pulse.turned = time.monotonic() - 100
        answer = ask(path)
    assert answer["doing"] == "round 4"
    assert 100 <= answer["turned"] < 110
    assert not path.exists()


def test_whoever_leaves_at_once_harms_nothing(path):
    with answering(path, Pulse()):
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as hasty:
                hasty.connect(str(path))
        assert ask(path)["doing"] == "starting"


def test_a_socket_that_a_killed_process_left_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with answering(path, Pulse()):
        assert ask(path)["doing"] == "starting"


def test_a_file_that_is_no_socket_is_left_alone(path):
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"--health .*psim.sock: .* in use: name a file in a wri"):
        answering(path, Pulse()).__enter__()
    assert path.read_text() == "mine"


def test_without_a_path_nobody_answers():
    before = threading.active_count()
    with answering(None, Pulse()):
        assert threading.active_count() == before


def test_the_check_says_what_the_process_is_at(path, checked):
    with answering(path, Pulse("waiting: 1 of 4 workers came")):
        assert checked() == (0, "waiting: 1 of 4 workers came\n")


def test_a_loop_that_stands_still_is_unwell(path, checked):
    with answering(path, Pulse("round 7", time.monotonic() - 90)):
        code, _ = checked()
        assert str(code).startswith("round 7, and its loop has not come round for 90 s")
        assert checked("--patience", "2 min") == (0, "round 7\n")


def test_nobody_there_is_unwell(path, checked):
    assert str(checked()[0]).startswith(f"no answer at {path}: ")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert str(checked()[0]).startswith(f"no answer at {path}: ")


def test_a_patience_that_is_none(checked):
    assert str(checked("--patience", "long")[0]).startswith("psim: 'long' is not a duration")
