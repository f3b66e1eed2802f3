"""What a terminal shows at the end of a run besides its table."""

from collections.abc import Callable
from pathlib import Path

import pytest
from madeup import geometric, rows_of

from psim.report import terminal

REASON = "the loss of rank 2 is not finite in round 7"
NOTE = "images that were re-encoded"


def test_what_must_be_known_of_the_data_and_why_it_ended(
    run_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(geometric(0.5))
    terminal.finished(run_folder("a", rows, "diverged", reason=REASON, data_note=NOTE), True)
    out, err = capsys.readouterr()
    assert f"note: {NOTE}\n" in out
    assert err == f"warning: diverged: {REASON}\n"
    terminal.finished(run_folder("b", rows, data_note=None, reason=None), True)
    out, err = capsys.readouterr()
    assert "note" not in out
    assert not err
