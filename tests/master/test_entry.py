"""The master container's entry."""

import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from psim import cli, documents

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "master" / "entry.py"


@pytest.fixture
def entry():
    return SimpleNamespace(**runpy.run_path(str(ENTRY)))


@pytest.fixture
def became(monkeypatch):
    """What the process gave up, in order; it gives up nothing."""
    calls = []
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, lambda value, name=name: calls.append((name, value)))
    return calls


def folder(uid, gid):
    return SimpleNamespace(stat=lambda: SimpleNamespace(st_uid=uid, st_gid=gid))


def test_root_becomes_the_folders_owner_groups_first(entry, became, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    entry.become_owner(folder(1001, 100))
    assert became == [("setgroups", []), ("setgid", 100), ("setuid", 1001)]


@pytest.mark.parametrize(("user", "owner"), [(1000, 1001), (1000, 0), (0, 0)])
def test_others_stay_who_they_are(entry, became, monkeypatch, user, owner):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    entry.become_owner(folder(owner, owner))
    assert became == []


def test_it_becomes_a_psim_master_that_psim_understands(entry, became, monkeypatch, tmp_path):
    lines = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execvp", lambda _, line: lines.append(line))
    monkeypatch.setenv("PSIM_CONFIG", "mine.yaml")
    monkeypatch.delenv("PSIM_BIND", raising=False)
    monkeypatch.setattr(sys, "argv", ["entry.py", "--set", "rounds=3"])
    entry.main()
    (line,) = lines
    assert " ".join(line) == "psim master mine.yaml --bind tcp://0.0.0.0:5555 --set rounds=3"
    with cli.master.make_context("master", line[2:]) as context:
        assert context.params["overrides"] == ("rounds=3",)


def test_the_default_config_is_there():
    defaults = documents.read(ENTRY.with_name("settings.yaml"))
    assert documents.read(ROOT / str(defaults["config"]))["workers"] == 4
