import pytest

from psim.errors import ConfigError
from psim.paths import FromShell
from psim.plan import LARGEST_PLAN, assignment, expand, override

BASE: dict[str, object] = {
    "name": "base",
    "rounds": 10,
    "workers": 4,
    "problem": {"name": "logistic", "dataset": "breast_cancer"},
    "method": {"name": "ef21", "init": "full", "downlink": "update"},
    "compressor": {"name": "topk", "k": 1},
    "step_size": {"rule": "theorem2", "multiple": 4},
}


def configs(**changes):
    return {run.label: run.config for run in expand({**BASE, **changes}).runs}


def test_a_single_run():
    plan = expand(BASE)
    assert (plan.name, plan.single, len(plan.runs)) == ("base", True, 1)
    run = plan.runs[0]
    assert (run.label, run.variant, run.varies) == ("base", "base", {})


def test_variants_times_grid_times_seeds():
    plan = expand(
        {
            **BASE,
            "variants": [{"name": "A"}, {"name": "B", "method.init": "zero"}],
            "sweep": {"compressor.k": [1, "10%"], "step_size.multiple": [1, 2]},
            "seeds": [3, 5],
        }
    )
    assert (plan.name, plan.single, len(plan.runs)) == ("base", False, 16)
    first, last = plan.runs[0], plan.runs[-1]
    assert first.label == "A k=1 multiple=1 seed=3"
    assert first.variant == "A"
    assert first.varies == {"compressor.k": 1, "step_size.multiple": 1, "seed": 3}
    assert last.label == "B k=10% multiple=2 seed=5"
    assert last.config.compressor.document()["k"] == "10%"
    assert (last.config.seed, last.config.step_size.multiple) == (5, 2)
    assert last.config.method.document()["init"] == "zero"
    assert last.varies["method.init"] == "zero"
    assert len({run.label for run in plan.runs}) == 16


@pytest.mark.parametrize("key", ["seeds", "sweep", "variants"])
def test_one_of_a_kind_is_no_single_run(key):
    one = {"seeds": [1], "sweep": {"rounds": [5]}, "variants": [{"name": "A"}]}[key]
    plan = expand({**BASE, key: one})
    assert not plan.single
    assert [run.label for run in plan.runs] == [
        {"seeds": "seed=1", "sweep": "rounds=5"}.get(key, "A")
    ]


def test_a_renamed_piece_keeps_what_the_new_one_knows():
    found = configs(
        variants=[
            {"name": "GD", "method.name": "gd", "compressor.name": "identity"},
            {"name": "short", "method": "gd", "compressor": "identity"},
            {"name": "PLUS", "method.name": "ef21_plus"},
            {"name": "whole", "method": {"name": "ef21"}},
            {"name": "own", "method.init": "zero", "method.name": "ef21_plus"},
        ]
    )
    assert found["GD"].method.document() == {"name": "gd", "downlink": "update"}
    assert "k" not in found["GD"].compressor.document()
    assert found["short"].method == found["GD"].method
    assert found["short"].compressor == found["GD"].compressor
    assert found["PLUS"].method.document() == {**BASE["method"], "name": "ef21_plus"}
    assert found["whole"].method.document()["init"] == "compressed"
    assert found["own"].method.document()["init"] == "zero"


def test_a_parameter_that_the_renamed_piece_lacks_is_still_an_error():
    with pytest.raises(ConfigError, match=r"method.init: unknown key.*in the run A"):
        configs(variants=[{"name": "A", "method.init": "zero", "method.name": "gd"}])


def test_the_whole_comes_before_its_parts_in_whatever_order_they_stand():
    found = configs(
        variants=[{"name": "A", "compressor.k": 3, "compressor": {"name": "topk", "k": 1}}],
    )
    assert found["A"].compressor.document()["k"] == 3


@pytest.mark.parametrize("step_size", [0.5, {"rule": "constant", "value": 0.5}])
def test_a_step_size_may_be_varied_from_a_number(step_size):
    found = configs(
        step_size=step_size,
        variants=[
            {"name": "same"},
            {"name": "twice", "step_size.multiple": 2},
            {"name": "rule", "step_size.multiple": 2, "step_size.rule": "inverse_L"},
            {"name": "number", "step_size": 0.1},
        ],
    )
    sizes = {name: config.step_size for name, config in found.items()}
    assert (sizes["same"].value, sizes["same"].multiple) == (0.5, 1)
    assert (sizes["twice"].value, sizes["twice"].multiple) == (0.5, 2)
    assert (sizes["rule"].rule, sizes["rule"].value, sizes["rule"].multiple) == (
        "inverse_L",
        None,
        2,
    )
    assert sizes["number"].value == 0.1


def test_overriding_creates_what_is_not_there():
    document: dict[str, object] = {"compressor": "topk", "network": {"overrides": {3: {"a": 1}}}}
    override(document, "compressor.k", 4)
    override(document, "network.overrides.3.uplink.latency", "1 s")
    override(document, "deadlines.join", 5)
    override(document, "method", "gd")
    assert document == {
        "compressor": {"name": "topk", "k": 4},
        "network": {"overrides": {3: {"a": 1, "uplink": {"latency": "1 s"}}}},
        "deadlines": {"join": 5},
        "method": {"name": "gd"},
    }


def test_the_base_is_not_changed_by_its_variants():
    found = configs(
        network={"uplink": {"latency": 1}},
        variants=[{"name": "A", "network.uplink.latency": 2}, {"name": "B"}],
    )
    assert found["A"].network.uplink.latency == 2
    assert found["B"].network.uplink.latency == 1


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("compressor.k=4", ("compressor.k", 4)),
        ("step_size=1e-3", ("step_size", 0.001)),
        ("a=b=c", ("a", "b=c")),
        (" a =1", ("a", 1)),
        ("a=", ("a", None)),
        ("seeds=[0, 1]", ("seeds", [0, 1])),
        ("start={kind: file, path: x.npy}", ("start", {"kind": "file", "path": "x.npy"})),
    ],
)
def test_assignments(text, pair):
    assert assignment(text) == pair


@pytest.mark.parametrize("text", ["a", "=1", "", " =1"])
def test_what_is_no_assignment(text):
    with pytest.raises(ConfigError, match=r"write --set key=value, like --set compressor\.k=4"):
        assignment(text)


def test_an_assignment_that_is_no_yaml():
    with pytest.raises(ConfigError, match=r"^--set a: line 1, column"):
        assignment("a=[1")


def test_paths_given_in_the_shell_start_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = {**BASE, "start": {"kind": "file", "path": "x0.npy"}}
    assert expand(document, "configs").runs[0].config.start.path == str(tmp_path / "configs/x0.npy")
    for text in ("start.path=x0.npy", "start={kind: file, path: x0.npy}"):
        override(document, *assignment(text))
        assert expand(document, "configs").runs[0].config.start.path == str(tmp_path / "x0.npy")
    key, value = assignment("sweep={problem.dataset: [a.txt, b.txt]}")
    assert isinstance(value, dict)
    assert all(isinstance(each, FromShell) for each in value["problem.dataset"])
    datasets = [
        run.config.problem.document() for run in expand({**BASE, key: value}, "configs").runs
    ]
    assert [each["dataset"] for each in datasets] == [str(tmp_path / n) for n in ("a.txt", "b.txt")]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"sweep": [1]}, "sweep: give a mapping, like {compressor.k: [1, 2, 4]}"),
        ({"sweep": {"compressor.k": 1}}, "sweep.compressor.k: 1: give a list of values"),
        ({"sweep": {"compressor.k": []}}, "sweep.compressor.k: []: give a list of values"),
        (
            {"sweep": {"compresor.k": [1]}},
            "sweep.compresor.k: unknown key; did you mean compressor?",
        ),
        ({"sweep": {"name": ["a"]}}, "sweep.name: unknown key"),
        ({"sweep": {3: [1]}}, "sweep.3: unknown key"),
        ({"sweep": {"compressor.k": [1, 1]}}, "'k=1' stands there twice"),
        ({"sweep": {"compressor.k": [1, 99, 0]}}, "compressor.k: 0 is no count"),
        ({"variants": {}}, "variants: give a list of mappings"),
        ({"variants": []}, "variants: give a list of mappings"),
        ({"variants": [{"method.name": "gd"}]}, "variants: entry 0: give a mapping with a name"),
        ({"variants": [{"name": "A"}, 3]}, "variants: entry 1: give a mapping with a name"),
        ({"variants": [{"name": "A"}, {"name": "A"}]}, "'A' stands there twice"),
        ({"variants": [{"name": "A", "metod.name": "gd"}]}, "variants.A.metod.name: unknown key"),
        ({"variants": [{"name": "A", "method.name": "gf"}]}, "method: unknown name 'gf'"),
        ({"variants": [{"name": "A", "rounds": 0}]}, "rounds: 0: "),
        ({"seeds": 3}, "seeds: 3: give a list of whole numbers, like [0, 1, 2]"),
        ({"seeds": []}, "seeds: []: give a list"),
        ({"seeds": [True]}, "seeds: [True]: give a list"),
        ({"seeds": [0.5]}, "seeds: [0.5]: give a list"),
        ({"seeds": [0, 0]}, "'seed=0' stands there twice"),
        ({"seeds": [-1]}, "seed: -1: "),
        ({"seeds": list(range(LARGEST_PLAN + 1))}, "100001 runs exceed the 100000 of one plan"),
        ({"name": 3, "seeds": [0, 1]}, "name: 3: "),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_plan(changes, wrong):
    with pytest.raises(ConfigError) as error:
        expand({**BASE, **changes})
    assert str(error.value).startswith(wrong)
    assert "\n" not in str(error.value)


def test_a_wrong_run_is_named():
    with pytest.raises(ConfigError, match=r"compressor.k: 0 is no count.*\(in the run A k=0\)"):
        expand({**BASE, "variants": [{"name": "A"}], "sweep": {"compressor.k": [0]}})
