"""Real files of PSIM_DATA, beside those of the LIBSVM site."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_file():
    """Gives a file of PSIM_DATA; skips the test where there is none."""

    def find(name: str) -> Path:
        folder = os.environ.get("PSIM_DATA")
        if not folder:
            pytest.skip(f"PSIM_DATA is not set: it names the folder that holds {name}")
        path = Path(folder).expanduser() / name
        if not path.exists():
            pytest.skip(f"{path} is not there")
        return path

    return find
