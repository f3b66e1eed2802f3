"""What a deployed process is told, and by whom."""

import os
import sys

import pytest

from psim.errors import ConfigError
from psim.launch import settings


@pytest.fixture
def path(tmp_path, monkeypatch):
    for name in ("PSIM_BIND", "PSIM_JOIN"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "settings.yaml"
    path.write_text("bind: tcp://0.0.0.0:5555\njoin: 60\n", encoding="utf-8")
    return path


def test_defaults_then_variables_then_flags(path, monkeypatch):
    assert settings.read(path, [])[0] == {"bind": "tcp://0.0.0.0:5555", "join": "60"}
    monkeypatch.setenv("PSIM_JOIN", "5 s")
    assert settings.read(path, [])[0]["join"] == "5 s"
    assert settings.read(path, ["--join", "7 s"])[0]["join"] == "7 s"
    assert settings.read(path, ["--join=7 s"])[0]["join"] == "7 s"


def test_an_empty_variable_is_none(path, monkeypatch):
    monkeypatch.setenv("PSIM_JOIN", "")
    assert settings.read(path, [])[0]["join"] == "60"


def test_other_arguments_are_kept_in_order(path):
    chosen, rest = settings.read(path, ["--set", "rounds=3", "--join", "1 s", "--overwrite"])
    assert chosen["join"] == "1 s"
    assert rest == ["--set", "rounds=3", "--overwrite"]


def test_a_flag_without_its_value_is_an_error(path):
    with pytest.raises(ConfigError, match="--join"):
        settings.read(path, ["--join"])


def test_help_shows_variables_and_defaults(path, capsys):
    with pytest.raises(SystemExit) as ended:
        settings.read(path, ["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "PSIM_JOIN" in shown
    assert "60" in shown


def test_start_becomes_psim(path, monkeypatch):
    became = []
    monkeypatch.setattr(os, "execvp", lambda file, line: became.append((file, line)))
    monkeypatch.setattr(sys, "argv", ["entry.py", "--join", "1 s", "--count", "2"])
    settings.start(path, lambda chosen: ["worker", "--join", chosen["join"]])
    assert became == [("psim", ["psim", "worker", "--join", "1 s", "--count", "2"])]


def test_start_ends_with_2_on_wrong_settings(path, monkeypatch, capsys):
    path.write_text("bind: [", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["entry.py"])
    with pytest.raises(SystemExit) as ended:
        settings.start(path, lambda _: [])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("psim: ")
