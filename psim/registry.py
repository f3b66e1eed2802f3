"""Pieces by name: methods, compressors and problems.

A piece is one class in one file of its family's folder. Its fields are its parameters, as the
YAML gives them; its ``name`` is how the YAML names it. The registry imports the files of the
folder, so that adding a piece is adding a file. Third parties add theirs through the entry points
``psim.methods``, ``psim.compressors`` and ``psim.problems``, or name them ``module:attribute``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from functools import cache
from typing import ClassVar, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from psim.errors import ConfigError, nearest

Family = Literal["methods", "compressors", "problems"]
FAMILIES: dict[str, Family] = {
    "method": "methods",
    "compressor": "compressors",
    "problem": "problems",
}
"""The config key of each family, and its folder."""
LONGEST_SHOWN = 120


class Model(BaseModel):
    """A part of the config: immutable, and every key is known."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_bool_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """``rounds: true`` is no 1."""
        if isinstance(value, bool) and "bool" not in str(cls.model_fields[str(info.field_name)]):
            raise ConfigError(f"{value!r} is true or false: this key takes something else")
        return value


class Piece(Model):
    """A method, compressor or problem: its name, its parameters and what it does."""

    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    """Where it comes from, for ``psim list``."""

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")

    def document(self) -> dict[str, object]:
        """The mapping that makes this piece again."""
        return {"name": self.name, **self.model_dump(mode="json", exclude_none=True)}


AnyPiece = TypeVar("AnyPiece", bound=Piece)


@cache
def shipped(family: Family) -> dict[str, type[Piece]]:
    """psim's own pieces of a family, by name."""
    package = importlib.import_module(f"psim.{family}")
    found: dict[str, type[Piece]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"psim.{family}.{info.name}")
        for piece in vars(module).values():
            named = isinstance(piece, type) and issubclass(piece, Piece) and "name" in vars(piece)
            if named and piece.__module__ == module.__name__:
                found[piece.name] = piece
    return dict(sorted(found.items()))


def known(family: Family) -> dict[str, type[Piece]]:
    """All pieces of a family: psim's own, then those of installed packages."""
    found = dict(shipped(family))
    for entry in importlib.metadata.entry_points(group=f"psim.{family}"):
        found.setdefault(entry.name, _loaded(family, entry.name, entry.load()))
    return found


def find(family: Family, name: object) -> type[Piece]:
    """The piece of that name; ConfigError lists the known ones and the nearest match."""
    if not isinstance(name, str):
        raise ConfigError(f"name = {name!r}: give the name of one of the {family}")
    if name in shipped(family):
        return shipped(family)[name]
    if ":" in name:
        return _from_path(family, name)
    pieces = known(family)
    if name not in pieces:
        raise ConfigError(f"unknown name {name!r}; {nearest(name, pieces)}")
    return pieces[name]


def build(family: Family, document: object, context: dict[str, object] | None = None) -> Piece:
    """The piece that a mapping like ``{name: topk, k: 1}`` (or just a name) describes.

    ``context`` holds the ``folder`` at which relative paths start.
    """
    if isinstance(document, str):
        document = {"name": document}
    if not isinstance(document, dict) or "name" not in document:
        raise ConfigError(f"{shortened(repr(document))}: give a mapping with a name: {{name: …}}")
    parameters = {key: value for key, value in document.items() if key != "name"}
    piece = find(family, document["name"])
    try:
        return piece.model_validate(parameters, context=context)
    except ValidationError as error:
        raise explain(error, piece) from None


def explain(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """The first thing that is wrong: where it stands, the value, and what it should be."""
    # An unknown key first: it is often the reason why another one is missing.
    found = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    first = found[0]
    where = ".".join(str(part) for part in first["loc"])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return cause.within(where)
    if first["type"] == "extra_forbidden":
        holder = _model_at(model, first["loc"][:-1])
        return ConfigError(
            f"unknown key; {nearest(str(first['loc'][-1]), holder.model_fields)}", where
        )
    if first["type"] == "missing":
        return ConfigError("this key is missing: give it a value", where)
    return ConfigError(f"{shortened(repr(first['input']))}: {first['msg']}", where)


def shortened(text: str) -> str:
    """At most some hundred characters of a text that a user wrote."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _model_at(model: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel]:
    """The model that holds the key at ``path``, as far as the annotations tell."""
    for part in path:
        field = model.model_fields.get(str(part))
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        for candidate in candidates:
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
                break
    return model


def imported(name: str) -> object:
    """What ``module:attribute`` names. Raises ConfigError, which does not repeat the name."""
    module_name, _, attribute = name.partition(":")
    try:
        value: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError) as error:
        raise ConfigError(f"cannot be imported: {error}") from None
    return value


def _from_path(family: Family, name: str) -> type[Piece]:
    try:
        value = imported(name)
    except ConfigError as error:
        raise ConfigError(f"name = {name!r}: {error}") from None
    piece = _loaded(family, name, value)
    piece.name = name
    return piece


def _loaded(family: Family, name: str, value: object) -> type[Piece]:
    base = importlib.import_module(f"psim.{family}.base").BASE
    if not (isinstance(value, type) and issubclass(value, base)):
        raise ConfigError(f"name = {name!r}: is no subclass of psim.{family}.base.{base.__name__}")
    return cast("type[Piece]", value)
