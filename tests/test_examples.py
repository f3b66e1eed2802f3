"""What the README and the docs show in Python runs, as a script."""

from collections.abc import Callable
from pathlib import Path

import pytest
from processes import ROOT, Command


def blocks(path: str, word: str) -> list[str]:
    """The Python code in a page that has the word."""
    found = (ROOT / path).read_text().split("```python\n")[1:]
    return [code.partition("```")[0] for code in found if word in code.partition("```")[0]]


@pytest.mark.parametrize("path", ["README.md", "docs/deep-learning.md"])
def test_a_network_of_ones_own(path: str, start: Callable[..., Command], tmp_path: Path) -> None:
    (code,) = blocks(path, "TorchProblem")
    assert len(code.splitlines()) <= 22
    (tmp_path / "mine.py").write_text(code)
    command = start("mine.py")
    assert command.ended() == 0, command.err
    assert "test_accuracy" in command.out
    assert (tmp_path / "runs" / "run-1" / "summary.json").exists()
