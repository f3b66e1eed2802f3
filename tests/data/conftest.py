"""Where real data are, and data of the test's own."""

import os
from pathlib import Path

import pytest

from psim.data.locate import locate
from psim.errors import DataError


@pytest.fixture
def real():
    """Gives a real data set's file; skips the test where there is none."""

    def find(name: str) -> Path:
        if not os.environ.get("PSIM_DATA"):
            pytest.skip(f"PSIM_DATA is not set: it names the folder that holds {name}")
        try:
            return locate(name)
        except DataError as error:
            pytest.skip(str(error))

    return find


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    """PSIM_DATA and the cache, both empty folders of the test's own."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    monkeypatch.setenv("PSIM_DATA", str(data))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("PSIM_DATA_SITE", raising=False)
    return data, cache / "psim" / "data"
