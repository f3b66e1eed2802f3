"""The papers' networks as configs: each is what its paper says, and has a small sibling."""

import importlib
import math
import sys
from pathlib import Path

import pytest
import torch

import psim
from psim.config import Config, load
from psim.plan import Plan, expand
from psim.problems.network import Network
from psim.problems.networks.names import place

FOLDER = Path(__file__).parents[1] / "configs" / "paper" / "dl"
SMALL = "-small"
WHOLE = [
    "def-table-1",
    "def-table-2",
    "def-table-3",
    "def-table-4",
    "ef21-figure-13",
    "ef21-figure-14",
    "ef21-figure-15",
    "sahu-figure-3",
    "sahu-table-2",
    "sahu-table-3",
    "sahu-table-4",
    "sahu-table-6",
    "sahu-table-7",
]
WORKERS = {"ef21": 5, "sahu": 8, "def": 16}
"""n: EF21, A.3; Sahu et al., Tables 2 to 5; Xu and Huang, section 5."""
SIZES = {
    "ef21-figure-13": {11_173_962},
    "ef21-figure-14": {132_863_336},
    "ef21-figure-15": {11_173_962},
    "sahu-table-3": {31_819_578},
    "sahu-table-4": {31_832_577},
}
"""d as docs/networks.md has it, of the papers' footnotes and tables where they say it."""


def plan(name: str) -> Plan:
    path = FOLDER / f"{name}.yaml"
    return expand(load(path), FOLDER)


def network(problem: Network) -> torch.nn.Module:
    """The network on the meta device: shapes and no memory."""
    module, attribute = place(problem.model)
    if module.split(".")[0] != "psim":
        pytest.importorskip(module.split(".")[0])
    with torch.device("meta"):
        return getattr(importlib.import_module(module), attribute)(**problem.model_args)


def test_every_figure_and_table_has_a_config():
    found = {path.stem for path in FOLDER.glob("*.yaml")}
    assert found == {*WHOLE, *(name + SMALL for name in WHOLE)}


@pytest.mark.parametrize("name", WHOLE)
def test_it_parses_and_its_networks_can_be_made(name):
    configs = [run.config for run in plan(name).runs]
    assert {config.workers for config in configs} == {WORKERS[name.split("-")[0]]}
    networks = {(c.problem.model, tuple(c.problem.model_args.items())): c.problem for c in configs}
    sizes = {sum(p.numel() for p in network(each).parameters()) for each in networks.values()}
    assert sizes == SIZES.get(name, sizes)


@pytest.mark.parametrize("name", WHOLE)
def test_the_small_one_has_the_workers_methods_and_compressors_of_the_whole(name):
    mine = [run.config for run in plan(name + SMALL).runs]
    whole = [run.config for run in plan(name).runs]
    for pick in (_workers, _method, _compressor):
        assert {*map(pick, mine)} >= {*map(pick, whole)}, pick.__name__


def _workers(config: Config) -> int:
    return config.workers


def _method(config: Config) -> tuple[str, float | None]:
    """λ tells EF from DEF, and PSync from SAEF a period of 0."""
    method = config.method
    zero = getattr(method, "lam", getattr(method, "period", 1)) == 0
    return method.name, zero


def _compressor(config: Config) -> tuple[str, str]:
    return config.compressor.name, config.compressor.scope


@pytest.mark.parametrize("number", [6, 7])
def test_thresholds_against_accordion_are_half_the_root_of_one_over_k(number):
    """λ = 1/(2 √k_min), k_min = 0.1 % of d. Table 5's for SENet-18 fit no SENet-18: 0.00471."""
    runs = plan(f"sahu-table-{number}").runs
    problems = {run.config.problem.model: run.config.problem for run in runs}
    for name, problem in problems.items():
        size = sum(p.numel() for p in network(problem).parameters())
        mine = [run.config.compressor for run in runs if run.config.problem.model == name]
        (threshold,) = {c.threshold.value for c in mine if c.name == "hard_threshold"}
        slack = 4e-5 if name == "senet18" else 5e-6
        assert abs(threshold - 1 / (2 * math.sqrt(0.001 * size))) <= slack


def test_made_up_ratings_are_as_many_as_asked_for(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    parts = importlib.import_module("made_up_ratings").parts
    made = parts(users=200, items=30, each=5, test_negatives=10)
    assert made.sizes == {"users": 200, "items": 30}
    assert made.train.count == 200 * (5 - 1) * (1 + 4)
    assert made.test.count == 200
    del sys.modules["made_up_ratings"]


@pytest.mark.slow
def test_with_random_blocks_def_learns_at_a_step_at_which_error_feedback_does_not(tmp_path):
    """Xu and Huang 2022, Table 1, on handwritten digits: a sixty-fourth of each layer a round. The
    loss begins at ln 10; error feedback is DEF with λ = 0.
    """
    base = {
        "rounds": 200,
        "workers": 4,
        "transport": "inproc",
        "problem": {"name": "torch", "model": "mlp", "model_args": {"hidden": [32]}}
        | {"dataset": "digits", "batch": 16, "partition": "shuffled"},
        "compressor": {"name": "rbgs", "ratio": 64, "scope": "layer"},
        "step_size": 0.05,
        "network": {"clock": "none"},
        "metrics": {"every": 200},
    }
    losses = {}
    for name, lam in (("EF", 0.0), ("DEF", 0.3)):
        method = {"name": "def", "lam": lam, "momentum": 0.9}
        run = psim.run({**base, "method": method}, out=tmp_path / name)
        losses[name] = run.summary["final"]["train_loss"]
    assert losses["DEF"] < 1.0
    assert losses["EF"] > math.log(10)
