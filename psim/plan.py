"""From one document to the runs it asks for: overrides, variants, grid and seeds."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from pathlib import Path

from psim import documents
from psim.config import Config, parse
from psim.errors import ConfigError, nearest
from psim.paths import FromShell
from psim.registry import FAMILIES, find

VARYING = ("sweep", "variants", "seeds")
LARGEST_PLAN = 100_000


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a plan: ``label`` names what varies, ``varies`` gives it by dotted key."""

    label: str
    variant: str
    varies: dict[str, object]
    config: Config


@dataclass(frozen=True, slots=True)
class Plan:
    """All runs of one document; ``single`` where the document varies nothing."""

    name: str
    runs: tuple[Run, ...]
    single: bool


def override(document: dict[str, object], key: str, value: object) -> None:
    """Set a dotted key, in place. A piece that gets another name keeps those of its parameters that
    the newly named piece knows too, and drops the others.
    """
    if key in FAMILIES and isinstance(value, str):
        key = f"{key}.name"
    *parents, last = map(_number, key.split("."))
    holder: dict[str | int, object] = document  # type: ignore[assignment]
    for parent in parents:
        inner = holder.get(parent)
        if not isinstance(inner, dict):
            inner = holder[parent] = _written_out(parent, inner)
        holder = inner
    if last == "name" and len(parents) == 1 and parents[0] in FAMILIES:
        _rename(holder, str(parents[0]), value)
        return
    holder[last] = value
    if key == "step_size.rule" and value != "constant":
        holder.pop("value", None)


def _number(key: str) -> str | int:
    return int(key) if key.isdecimal() else key


def _written_out(key: str | int, short: object) -> dict[str | int, object]:
    """The mapping that a short form stands for; empty where there is none."""
    if key in FAMILIES and isinstance(short, str):
        return {"name": short}
    if key == "step_size" and type(short) in (int, float):
        return {"rule": "constant", "value": short}
    return {}


def _rename(piece: dict[str | int, object], family: str, name: object) -> None:
    if piece.get("name") == name:
        return
    try:
        fields = find(FAMILIES[family], name).model_fields
    except ConfigError as error:
        raise error.within(family) from None
    for key in [key for key in piece if key not in fields]:
        del piece[key]
    piece["name"] = name


def assignment(text: str) -> tuple[str, object]:
    """``compressor.k=4`` as ("compressor.k", 4); the value is YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r}: write --set key=value, like --set compressor.k=4")
    return key.strip(), _from_shell(documents.parse(value, f"--set {key}"))


def _from_shell(value: object) -> object:
    """The value with every text in it marked: paths start at the current folder."""
    if isinstance(value, str):
        return FromShell(value)
    if isinstance(value, list):
        return [_from_shell(item) for item in value]
    if isinstance(value, dict):
        return {key: _from_shell(item) for key, item in value.items()}
    return value


def expand(document: dict[str, object], folder: Path | str = ".") -> Plan:
    """The runs of a document: variants times grid times seeds. Raises ConfigError."""
    base = {key: value for key, value in document.items() if key not in VARYING}
    variants = _variants(document.get("variants"))
    grid = _grid(document.get("sweep"))
    seeds = _seeds(document.get("seeds"))
    total = len(variants) * len(seeds)
    for _, values in grid:
        total *= len(values)
    if total > LARGEST_PLAN:
        raise ConfigError(f"{total} runs exceed the {LARGEST_PLAN} of one plan: split the sweep")
    runs = []
    points = [tuple(zip((k for k, _ in grid), p, strict=True)) for p in _product(grid)]
    for (variant, changes), point, seed in itertools.product(variants, points, seeds):
        varies = {**changes, **dict(point), **({} if seed is None else {"seed": seed})}
        runs.append(_run(base, folder, variant, dict(point), seed, varies))
    _unique([run.label for run in runs])
    name = runs[0].config.name if len(runs) == 1 else parse_name(base)
    return Plan(name, tuple(runs), single=not any(key in document for key in VARYING))


def parse_name(document: dict[str, object]) -> str:
    """The plan's own name."""
    name = document.get("name", "run")
    if not isinstance(name, str):
        raise ConfigError(f"{name!r}: give a name in letters, digits and . - _", "name")
    return name


def _run(
    base: dict[str, object],
    folder: Path | str,
    variant: str,
    point: dict[str, object],
    seed: int | None,
    varies: dict[str, object],
) -> Run:
    document = copy.deepcopy(base)
    # The whole before its parts, and names and rules first: what a variant says beside a name is
    # meant for the piece of that name.
    for key in sorted(
        varies, key=lambda key: (key.count("."), not key.endswith((".name", ".rule")))
    ):
        override(document, key, copy.deepcopy(varies[key]))
    parts = [variant] if variant else []
    parts += [f"{key.rpartition('.')[2]}={_text(value)}" for key, value in point.items()]
    parts += [] if seed is None else [f"seed={seed}"]
    try:
        config = parse(document, folder)
    except ConfigError as error:
        raise (ConfigError(f"{error} (in the run {' '.join(parts)})") if parts else error) from None
    return Run(" ".join(parts) or config.name, variant or config.name, varies, config)


def _text(value: object) -> str:
    return str(value).replace("/", "-").replace(" ", "")


def _variants(value: object) -> list[tuple[str, dict[str, object]]]:
    if value is None:
        return [("", {})]
    if not isinstance(value, list) or not value:
        raise ConfigError("give a list of mappings, like [{name: GD, method.name: gd}]", "variants")
    variants = []
    for number, item in enumerate(value):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise ConfigError(f"entry {number}: give a mapping with a name", "variants")
        changes = {key: change for key, change in item.items() if key != "name"}
        _check_keys(changes, f"variants.{item['name']}")
        variants.append((item["name"], changes))
    _unique([name for name, _ in variants])
    return variants


def _grid(value: object) -> list[tuple[str, list[object]]]:
    if value is None:
        return []
    if not isinstance(value, dict):
        raise ConfigError("give a mapping, like {compressor.k: [1, 2, 4]}", "sweep")
    _check_keys(value, "sweep")
    for key, values in value.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"{values!r}: give a list of values", f"sweep.{key}")
    return list(value.items())


def _check_keys(changes: dict[str, object], where: str) -> None:
    for key in changes:
        first = str(key).split(".")[0]
        if first not in Config.model_fields or first == "name":
            raise ConfigError(
                f"unknown key; {nearest(first, Config.model_fields)}", f"{where}.{key}"
            )


def _seeds(value: object) -> list[int] | list[None]:
    if value is None:
        return [None]
    if not isinstance(value, list) or not value or not all(type(seed) is int for seed in value):
        raise ConfigError(f"{value!r}: give a list of whole numbers, like [0, 1, 2]", "seeds")
    return value


def _product(grid: list[tuple[str, list[object]]]) -> list[tuple[object, ...]]:
    return list(itertools.product(*(values for _, values in grid)))


def _unique(labels: list[str]) -> None:
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise ConfigError(f"{min(twice)!r} stands there twice: every run needs a name of its own")
