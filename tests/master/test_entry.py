"""The master container's entry."""

import os
import runpy
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from psim import cli, documents
from psim.errors import ConfigError
from psim.launch.identity import Identity
from psim.launch.shaping import Links

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "master"
SETTINGS = documents.read(FOLDER / "settings.yaml")


@pytest.fixture
def entry():
    return SimpleNamespace(**runpy.run_path(str(FOLDER / "entry.py")))


@pytest.fixture
def started(entry, monkeypatch, tmp_path):
    """Gives the command that the entry becomes, and what it did before, with these arguments."""
    for name in SETTINGS:
        monkeypatch.delenv(f"PSIM_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    done, lines = [], []
    monkeypatch.setattr(Identity, "become", lambda self: done.append(("become", self)))
    monkeypatch.setattr(Links, "shape", lambda self, *chosen: done.append(("shape", self, *chosen)))
    monkeypatch.setattr(os, "execvp", lambda _, line: lines.append(line))

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["entry.py", *arguments])
        entry.main()
        return lines[-1], done

    return start


def test_it_becomes_a_psim_master_that_psim_understands(started, monkeypatch):
    monkeypatch.setenv("PSIM_CONFIG", "mine.yaml")
    line, done = started("--set", "rounds=3")
    assert " ".join(line) == (
        "psim master mine.yaml --bind tcp://0.0.0.0:5555 --health /tmp/psim.sock --set rounds=3"
    )
    with cli.master.make_context("master", line[2:]) as context:
        assert context.params["overrides"] == ("rounds=3",)
    assert done == [("become", Identity.owner_of(Path()))]


def test_flags_come_before_what_the_settings_set(started, monkeypatch):
    monkeypatch.setenv("PSIM_CLOCK", "none")
    monkeypatch.setenv("PSIM_WORKERS", "8")
    line, _ = started("--set", "workers=3")
    with cli.master.make_context("master", line[2:]) as context:
        assert context.params["overrides"] == ("network.clock=none", "workers=8", "workers=3")


def test_it_is_shaped_before_root_is_given_up(started, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "rounds: 3\nworkers: 2\nproblem: {name: quadratic}\nmethod: {name: gd}\n"
        "network: {master: {ingress: 1 Mbit/s, egress: 2 Mbit/s}}\n"
    )
    _, done = started("--config", "mine.yaml", "--shape", "eth0")
    (kind, links, *chosen), (last, _) = done
    assert (kind, last) == ("shape", "become")
    assert chosen == ["eth0", links.egress, links.ingress]
    assert [pipe.rate for pipe in chosen[1:]] == [2e6, 1e6]


def addresses(*found):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in found]


def test_a_name_stands_for_as_many_workers_as_it_has_addresses(entry, monkeypatch, capsys):
    found = addresses("10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.3")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert entry.workers("worker", "2") == "6"
    assert "3 worker containers with 2 ranks each: workers = 6" in capsys.readouterr().err


def test_a_number_is_a_number(entry):
    assert entry.workers("12", "4") == "12"


def test_a_name_that_nobody_has(entry, monkeypatch):
    def absent(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", absent)
    with pytest.raises(ConfigError, match=r"workers worker: is no number, nor a name .* started"):
        entry.workers("worker", "1")


def test_a_count_that_is_none(entry, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses("10.0.0.2"))
    with pytest.raises(ConfigError, match="count x: give a number"):
        entry.workers("worker", "x")


def test_the_default_config_is_there():
    assert documents.read(ROOT / str(SETTINGS["config"]))["workers"] == 4
