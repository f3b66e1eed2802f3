"""The worker container's entry."""

import os
import runpy
import sys
from pathlib import Path

import pytest

from psim import cli, documents
from psim.launch.identity import Identity
from psim.launch.shaping import Links

FOLDER = Path(__file__).parents[2] / "workers"


@pytest.fixture
def done(monkeypatch):
    """What the entry did before it became psim."""
    made = []
    monkeypatch.setattr(Identity, "become", lambda self: made.append(("become", self)))
    monkeypatch.setattr(Links, "shape", lambda self, *chosen: made.append(("shape", self, *chosen)))
    return made


@pytest.fixture
def started(done, monkeypatch, tmp_path):
    """Gives what psim worker is told by the command that the entry becomes."""
    for name in documents.read(FOLDER / "settings.yaml"):
        monkeypatch.delenv(f"PSIM_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)

    def start(*arguments):
        lines = []
        monkeypatch.setattr(os, "execvp", lambda _, line: lines.append(line))
        monkeypatch.setattr(sys, "argv", ["entry.py", *arguments])
        runpy.run_path(str(FOLDER / "entry.py"), run_name="__main__")
        (line,) = lines
        assert line[:2] == ["psim", "worker"]
        with cli.worker.make_context("worker", line[2:]) as context:
            return context.params

    return start


def test_it_becomes_a_psim_worker_that_psim_understands(started, done):
    expected = {"connect": "tcp://master:5555", "count": 1, "device": "cpu", "join": "60 s"}
    assert started() == {**expected, "health": Path("/tmp/psim.sock")}
    assert done == [("become", Identity.owner_of(Path()))]


def test_variables_and_flags_reach_psim(started, monkeypatch):
    monkeypatch.setenv("PSIM_CONNECT", "tcp://elsewhere:1")
    monkeypatch.setenv("PSIM_JOIN", "5 min")
    told = started("--join", "3 s")
    assert told["connect"] == "tcp://elsewhere:1"
    assert told["join"] == "3 s"


def test_it_is_shaped_before_root_is_given_up(started, done, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "rounds: 3\nworkers: 2\nproblem: {name: quadratic}\nmethod: {name: gd}\n"
        "network: {uplink: {bandwidth: 1 Mbit/s}, downlink: {bandwidth: 2 Mbit/s}}\n"
    )
    started("--shape", "eth0", "--config", "mine.yaml")
    (kind, links, *chosen), last = done
    assert (kind, last) == ("shape", ("become", Identity.owner_of(tmp_path)))
    assert chosen == ["eth0", links.uplink, links.downlink]
    assert [pipe.rate for pipe in chosen[1:]] == [1e6, 2e6]


def test_ranks_that_would_share_an_interface(started, capsys):
    with pytest.raises(SystemExit) as ended:
        started("--shape", "eth0", "--count", "2")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("psim: count 2: ranks that share an interface share")
