"""The container's health check, as the engine runs it."""

import subprocess
import sys
from pathlib import Path

from psim.launch.health import answering
from psim.runtime.pulse import Pulse

PROGRAM = Path(__file__).parents[2] / "master" / "health.py"


def test_it_asks_the_process(tmp_path):
    path = tmp_path / "psim.sock"
    line = [sys.executable, str(PROGRAM), "--health", str(path)]
    with answering(path, Pulse("round 12")):
        well = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (well.returncode, well.stdout) == (0, "round 12\n")
    unwell = subprocess.run(line, capture_output=True, text=True, check=False)
    assert unwell.returncode == 1
    assert unwell.stderr.startswith(f"no answer at {path}")
