"""Every registered piece with every choice of its parameters: what the contract tests run over.

A new file in psim/compressors or psim/methods is picked up by itself. Choices are read off the
annotations; a required parameter needs a filler here.
"""

import itertools
from collections.abc import Callable
from typing import Literal, get_args, get_origin

import pytest

from psim.errors import ConfigError
from psim.methods.base import Method
from psim.registry import Family, Piece, build, known

FILLERS: dict[str, list[object]] = {
    "k": [1, 3, "10%", "100%"],
    "threshold": [0.0, 0.5],
    "ratio": [1, 4, 100],
    "levels": [1, 7],
    "epsilon": [0.25],
    "factor": [8.0],
    "rank": [1, 2],
    "sparsifier": [{"name": "topk", "k": 3}, {"name": "randk", "k": 3, "seed": "shared"}],
    "period": [0, 3],
    "inner": [{"name": "ef"}],
    "accordion.levels": [(1, 2)],
    "window": [4],
    "compressor_reset": [{"name": "topk", "k": 4}],
    "alpha": [0.5],
    "momentum": [0.5],
    "probability": [0.5],
    "compressor_down": [{"name": "topk", "k": "50%"}],
    "quantizer": [{"name": "qsgd", "levels": 4}, "natural"],
}
"""Values for parameters without a default, of any piece or of the one that is named."""
NEEDS_A_MINIMUM = {"ec_gdstar"}
"""Methods that start from x*, which the nonconvex regularizer leaves open."""
ONE = {"scope"}
"""Choices of which the first stands for all: a scope is what PerLayer makes of any compressor."""


def every(family: Family) -> list[Piece]:
    """All pieces of a family, each with each of its choices."""
    return [made for piece in known(family).values() for made in variations(piece)]


def variations(piece: type[Piece]) -> list[Piece]:
    """One piece for each choice that its parameters leave: all combinations of required ones, and
    those with a default one at a time.
    """
    choices: dict[str, list[object]] = {}
    others: list[dict[str, object]] = []
    for key, field in piece.model_fields.items():
        if field.is_required():
            own = f"{piece.name}.{key}"
            assert own in FILLERS or key in FILLERS, (
                f"{piece.name} needs {key}: give some values of {key} in FILLERS of {__file__}"
            )
            choices[key] = FILLERS.get(own, FILLERS.get(key, []))
        elif get_origin(field.annotation) is Literal and key not in ONE:
            others += [{key: v} for v in get_args(field.annotation) if v != field.default]
    points = [dict(zip(choices, p, strict=True)) for p in itertools.product(*choices.values())]
    first = points[0]
    return [piece.model_validate(given) for given in [*points, *({**first, **o} for o in others)]]


def label(piece: Piece) -> str:
    """The piece as a test's name: only what differs from the defaults."""
    given = piece.model_dump(mode="json", exclude_defaults=True)
    return "-".join([piece.name, *(f"{key}={value}" for key, value in given.items())])


def over(
    family: Family, where: Callable[[Piece], bool] = lambda _piece: True
) -> pytest.MarkDecorator:
    """Run a test over the pieces of a family of which ``where`` is true, as argument ``piece``."""
    chosen = [piece for piece in every(family) if where(piece)]
    return pytest.mark.parametrize("piece", chosen, ids=label)


def suited(document: dict[str, object]) -> dict[str, object]:
    """The document with a problem that its method can be run on: with a minimum that psim finds."""
    method, problem = document["method"], document["problem"]
    name = method if isinstance(method, str) else getattr(method, "name", None) or method["name"]
    if name not in NEEDS_A_MINIMUM or problem["name"] != "logistic":
        return document
    kept = {key: value for key, value in problem.items() if key != "lam"}
    return {**document, "problem": {**kept, "regularizer": "l2", "mu": 0.1}}


def allows(method: Method, downlink: str) -> bool:
    """Whether the method has this downlink mode."""
    return downlink in get_args(type(method).model_fields["downlink"].annotation)


def takes(method: Method, compressor: object) -> bool:
    """Whether the method works with a compressor, given as in a config."""
    try:
        method.check(build("compressors", compressor))
    except ConfigError:
        return False
    return True


KINDS: list[dict[str, object]] = [
    {"name": "topk", "k": 2},
    {"name": "rbgs", "ratio": 8},
    {"name": "natural", "scale": "contractive"},
    {"name": "identity"},
]
"""A compressor for each kind of payload: sparse, shared, quantized and dense."""
TELLING = {"hard_threshold": {"name": "hard_threshold", "threshold": 0.002}}
"""In the place of a compressor's first choice, which sends everything."""
WITH_ALL = ("ef", "ef21")
"""Methods that meet every compressor: one keeps an error, the other an estimate."""


def firsts(methods: list[Method]) -> list[Method]:
    """Of each method the first of its variations."""
    return list({piece.name: piece for piece in reversed(methods)}.values())


def pairs(methods: list[Method]) -> list[tuple[Method, dict[str, object]]]:
    """Each method, by its first variation, with a compressor of each kind; its other variations
    with one; and two methods with every compressor. As far as they go together.
    """
    first = {piece.name: piece for piece in firsts(methods)}
    kinds = {kind["name"] for kind in KINDS}
    chosen = {piece.name: piece.document() for piece in reversed(every("compressors"))} | TELLING
    others = [each for name, each in chosen.items() if name not in kinds]
    found = []
    for method in methods:
        fitting = [kind for kind in KINDS if takes(method, kind)]
        found += [(method, kind) for kind in (fitting if method in first.values() else fitting[:1])]
    found += [(first[name], each) for name in WITH_ALL if name in first for each in others]
    return found


def rounded(
    cases: list[tuple[Method, dict[str, object]]],
) -> list[tuple[Method, dict[str, object]]]:
    """Of such pairs those to try with a narrower type on the wire too: each method with one
    compressor, each compressor with two methods.
    """
    return [case for case in cases if case[1] is KINDS[0] or case[0].name in WITH_ALL]


def name(value: Method | dict | str) -> str:
    """A method, a compressor or a word as part of a test's name."""
    if isinstance(value, str):
        return value
    return label(value) if isinstance(value, Method) else str(value["name"])
