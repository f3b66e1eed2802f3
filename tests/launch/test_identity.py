"""Giving root up."""

import os

import pytest

from psim.launch.identity import Identity


@pytest.fixture
def calls(monkeypatch):
    """What the process asked for, in order; it gets none of it."""
    made = []
    for name in ("setgroups", "setgid", "setuid", "setegid", "seteuid"):
        monkeypatch.setattr(os, name, lambda value, name=name: made.append((name, value)))
    return made


def test_root_becomes_another_groups_first(calls, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    Identity(1001, 100).become()
    assert calls == [("setgroups", []), ("setgid", 100), ("setuid", 1001)]


def test_root_acts_as_another_for_a_while(calls, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with Identity(1001, 100).acting():
        assert calls == [("setegid", 100), ("seteuid", 1001)]
    assert calls[2:] == [("seteuid", 0), ("setegid", 0)]


@pytest.mark.parametrize(("user", "other"), [(1000, 1001), (1000, 0), (0, 0)])
def test_others_stay_who_they_are(calls, monkeypatch, user, other):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    Identity(other, other).become()
    with Identity(other, other).acting():
        pass
    assert calls == []


def test_whose_a_folder_is(tmp_path):
    assert Identity.owner_of(tmp_path) == Identity(os.getuid(), tmp_path.stat().st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_is_read_is_what_the_other_may_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    with Identity(4321, 4321).acting(), pytest.raises(PermissionError):
        secret.read_text()
    assert secret.read_text() == "x"
