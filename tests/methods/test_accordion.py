"""ACCORDION: the plain method where its levels are equal, the reference where they are not."""

import numpy as np
import pytest
from playing import play
from reference.accordion import accordion
from reference.compressors import top_k
from reference.rounds import every_round
from references import difference
from tasks import document, task

from psim.data.opened import OpenedProblem
from psim.errors import ConfigError
from psim.segments import laid_out

ROUNDS, STEP, WINDOW, ETA = 60, 0.05, 5, 0.2
TOP = {"name": "topk", "k": 3}
STAR = np.linspace(-0.1, 0.1, 30).tolist()
INNER = [
    {"name": "ef"},
    {"name": "ef_sgd", "memory": "gradient"},
    {"name": "ec_gdstar", "x_star": STAR},
    {"name": "def"},
    {"name": "saef", "period": 3},
    {"name": "psync"},
    {"name": "ef21"},
    {"name": "ef21_plus"},
]
LAYERS = laid_out({"first": (4, 3), "second": (10,), "third": (8,)})
SLICES = [slice(layer.start, layer.stop) for layer in LAYERS]


def described(method: object, compressor: object = TOP, **more: object) -> dict[str, object]:
    common = {"method": method, "compressor": compressor, "step_size": STEP}
    return {**document("breast_cancer", ROUNDS), **common, **more}


def wrapped(inner: object, levels: list[object], **more: object) -> dict[str, object]:
    return {"name": "accordion", "inner": inner, "levels": levels, "window": WINDOW, **more}


@pytest.mark.parametrize("inner", INNER, ids=lambda inner: inner["name"])
def test_with_equal_levels_it_is_the_plain_method(inner: dict) -> None:
    plain, found = play(described(inner)), play(described(wrapped(inner, [3, 3])))
    for x, y in zip(found.iterates, plain.iterates, strict=True):
        assert x.tobytes() == y.tobytes()
    assert found.node.iterate.x.numpy().tobytes() == plain.node.iterate.x.numpy().tobytes()


@pytest.mark.parametrize("downlink", ["update", "gather"])
@pytest.mark.parametrize(
    ("compressor", "level"),
    [
        ({"name": "rbgs", "ratio": 6}, 6),
        ({"name": "randk", "k": 4, "seed": "shared"}, 4),
        ({"name": "low_rank", "rank": 1, "scope": "layer"}, 1),
        ({"name": "qsgd", "levels": 5}, 5),
        ({"name": "hard_threshold", "threshold": 0.001}, 0.001),
        ({"name": "topk", "k": "10%", "scope": "layer"}, "10%"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_with_equal_levels_any_compressor_sends_the_same(
    compressor: dict, level: object, downlink: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenedProblem, "segments", LAYERS)
    plain = play(described({"name": "ef", "downlink": downlink}, compressor))
    method = wrapped({"name": "ef"}, [level, level], downlink=downlink)
    found = play(described(method, compressor))
    for x, y in zip(found.iterates, plain.iterates, strict=True):
        assert x.tobytes() == y.tobytes()


@pytest.mark.parametrize("downlink", ["model", "update", "gather"])
def test_levels_by_layer_agree_with_the_reference(
    downlink: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenedProblem, "segments", LAYERS)
    facts = task("breast_cancer")

    def steps(t: int) -> float:
        return STEP * 0.5 ** ((t >= 30) + (t >= 42))  # with a window's start, and within one

    expected = accordion(
        every_round(facts.gradients),
        facts.x0,
        steps,
        lambda v, k, _round, _rank: top_k(v, k),
        ROUNDS,
        levels=(1, 4),
        window=WINDOW,
        layers=SLICES,
        eta=ETA,
    )
    schedule = {"kind": "piecewise", "at": [30, 42], "factor": 0.5}
    method = wrapped({"name": "ef_sgd"}, [1, 4], eta=ETA, downlink=downlink)
    played = play(
        described(
            method,
            {"name": "topk", "k": 4, "scope": "layer"},
            step_size={"rule": "constant", "value": STEP, "schedule": schedule},
            metrics={"every": 1},
        )
    )
    assert difference(played.iterates, expected.iterates) <= 1e-10
    shares = [np.mean([level == 4 for level in levels]) for levels in expected.levels]
    assert [row["level"] for row in played.rows[:-1]] == pytest.approx(shares)
    for row, levels in zip(played.rows, expected.levels, strict=False):
        recorded = [row[f"level_{layer}"] for layer in range(len(LAYERS))]
        assert recorded == [float(level == 4) for level in levels]
    assert 0.0 < shares[20] < 1.0, "layers have levels of their own"
    assert shares[30] == 1.0 > shares[29], "all are critical where the step size falls"
    sent = sum(sum(levels) for levels in expected.levels)
    norms = len(LAYERS) * (ROUNDS // WINDOW)
    assert played.rows[-1]["up_bits"] == 32 * (sent + norms)


@pytest.mark.parametrize(
    ("method", "compressor", "message", "path"),
    [
        (wrapped({"name": "ef"}, [1, 2]), "sign", "no level to change", "compressor.name"),
        (wrapped({"name": "ef"}, [1, 31]), TOP, "31 exceeds the vector's size", "compressor.k"),
        (wrapped({"name": "ef"}, [0, 2]), TOP, "0 is no count", "method.levels"),
        (
            wrapped({"name": "cser", "period": 2, "compressor_reset": "topk"}, [1, 2]),
            TOP,
            "missing",
            "method.inner.compressor_reset.k",
        ),
        (
            wrapped({"name": "cser", "period": 2, "compressor_reset": TOP}, [1, 2]),
            TOP,
            "'cser' has compressors or levels of its own",
            "method",
        ),
        (wrapped(wrapped({"name": "ef"}, [1, 2]), [1, 2]), TOP, "levels of its own", "method"),
    ],
)
def test_what_it_cannot_wrap_is_refused(
    method: dict, compressor: object, message: str, path: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        play(described(method, compressor))
    assert caught.value.path.startswith(path)
