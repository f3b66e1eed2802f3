"""The papers' figures as configs: each parses, and each of its methods begins on the real data."""

import math
import os
from pathlib import Path

import pytest

import psim
from psim.config import load
from psim.data.locate import locate
from psim.errors import DataError
from psim.plan import expand, override

FOLDER = Path(__file__).parents[1] / "configs" / "paper"
CONFIGS = sorted(path for path in FOLDER.glob("**/*.yaml") if path.parent.name != "dl")
EACH = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
ROUNDS = 3


def test_every_figure_of_ef21_on_convex_data_has_a_config():
    found = {path.stem for path in CONFIGS if path.parent.name == "ef21"}
    assert found == {f"figure-{number}" for number in range(1, 13)}


@EACH
def test_it_parses_and_its_runs_are_those_of_the_papers(path):
    plan = expand(load(path), path.parent)
    assert plan.runs
    more = path.parent.name == "total_error" and path.stem == "figure-9"
    assert {run.config.workers for run in plan.runs} == {100 if more else 20}
    if path.parent.name == "ef21":
        assert {run.config.problem.partition for run in plan.runs} == {"contiguous"}
        for run in plan.runs:
            method = run.config.method.document()
            assert method.get("init", "full") == "full"


@pytest.mark.slow
@EACH
def test_each_of_its_methods_begins(path, tmp_path):
    """The first run of each method, for three rounds; Top-k's bits are 32 a value, as published."""
    first = {}
    for run in expand(load(path), path.parent).runs:
        first.setdefault(run.config.method.name, run.config)
    for name, config in first.items():
        _available(config.problem.dataset)
        document = config.document()
        for key, value in (("rounds", ROUNDS), ("metrics", {"every": 1, "full": 1}), ("stop", {})):
            override(document, key, value)
        result = psim.run(document, out=tmp_path / name)
        assert result.rows["round"].to_list() == list(range(ROUNDS + 1))
        assert all(map(math.isfinite, result.rows["grad_norm_sq"]))
        if config.compressor.name == "topk":
            bits = [32 * config.compressor.k * number for number in range(ROUNDS + 1)]
            assert result.rows["up_bits"].to_list() == bits


def _available(name: str) -> None:
    if not os.environ.get("PSIM_DATA"):
        pytest.skip(f"PSIM_DATA is not set: it names the folder that holds {name}")
    try:
        locate(name)
    except DataError as error:
        pytest.skip(str(error))
