"""The configs that psim ships beside those of the papers say what a config may say."""

from pathlib import Path

import pytest

from psim.config import load
from psim.plan import expand

FOLDER = Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_parses(path: Path) -> None:
    assert expand(load(path), FOLDER).runs
