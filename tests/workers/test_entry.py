"""The worker container's entry."""

import os
import runpy
import sys
from pathlib import Path

import pytest

from psim import cli

ENTRY = Path(__file__).parents[2] / "workers" / "entry.py"


@pytest.fixture
def started(monkeypatch):
    """Gives the command that the entry becomes with these arguments."""
    for name in ("CONNECT", "COUNT", "DEVICE", "JOIN"):
        monkeypatch.delenv(f"PSIM_{name}", raising=False)

    def start(*arguments):
        lines = []
        monkeypatch.setattr(os, "execvp", lambda _, line: lines.append(line))
        monkeypatch.setattr(sys, "argv", ["entry.py", *arguments])
        runpy.run_path(str(ENTRY), run_name="__main__")
        (line,) = lines
        assert line[:2] == ["psim", "worker"]
        with cli.worker.make_context("worker", line[2:]) as context:
            return context.params

    return start


def test_it_becomes_a_psim_worker_that_psim_understands(started):
    expected = {"connect": "tcp://master:5555", "count": 1, "device": "cpu", "join": "60 s"}
    assert started() == expected


def test_variables_and_flags_reach_psim(started, monkeypatch):
    monkeypatch.setenv("PSIM_CONNECT", "tcp://elsewhere:1")
    monkeypatch.setenv("PSIM_JOIN", "5 min")
    told = started("--join", "3 s")
    assert told["connect"] == "tcp://elsewhere:1"
    assert told["join"] == "3 s"
