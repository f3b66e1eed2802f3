"""Strict YAML: what a config file may look like.

Scalars follow YAML 1.2's core schema (``1e-3`` is a number, ``yes`` is a string), ``nan`` and
``inf`` are no numbers, and a key given twice is an error. Files are bounded in size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from pathlib import Path

import yaml

from psim.errors import ConfigError

LARGEST_DOCUMENT = 1 << 20
"""Bytes; a config file is written by hand."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's scalars, no aliases, no tags but those of the core schema, and no
    key twice.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the class fills its own
    yaml_constructors = {  # noqa: RUF012
        tag: made
        for tag, made in yaml.SafeLoader.yaml_constructors.items()
        if tag in (None, *(f"tag:yaml.org,2002:{kind}" for kind in ("null", "str", "seq", "map")))
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()  # type: ignore[no-untyped-call]
            raise ConfigError(
                f"{_place(alias.start_mark)}: *{alias.anchor}: aliases are not read here: write "
                "the value out"
            )
        return super().compose_node(parent, index)

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        seen: dict[Hashable, yaml.Mark] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise ConfigError(f"{_place(key_node.start_mark)}: a key must be a plain name")
            if key in seen:
                first = seen[key].line + 1
                raise ConfigError(
                    f"{_place(key_node.start_mark)}: key {key!r} stands in line {first} already: "
                    "keep one of the two"
                )
            seen[key] = key_node.start_mark
        return super().construct_mapping(node, deep)

    def construct_bool(self, node: yaml.ScalarNode) -> bool:
        return self._matched(node, _BOOL).lower() == "true"

    def construct_int(self, node: yaml.ScalarNode) -> int:
        text = self._matched(node, _INT)
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)

    def construct_float(self, node: yaml.ScalarNode) -> float:
        text = self._matched(node, _FLOAT)
        value = float(text)
        if math.isinf(value):
            raise ConfigError(f"{_place(node.start_mark)}: {text}: is too large for a number")
        return value

    def _matched(self, node: yaml.ScalarNode, pattern: re.Pattern[str]) -> str:
        """The scalar's text; ConfigError where a tag claims what it is not."""
        text = self.construct_scalar(node)
        assert isinstance(text, str)
        if pattern.fullmatch(text) is None:
            kind = node.tag.rpartition(":")[2]
            raise ConfigError(
                f"{_place(node.start_mark)}: {text!r}: is no {kind}: leave out the tag"
            )
        return text


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes every string that `_Loader`, or any other reader, would take for
    something else.
    """


for _tag, _pattern in (("null", _NULL), ("bool", _BOOL), ("int", _INT), ("float", _FLOAT)):
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, None)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, None)
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.construct_bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_float)


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def parse(text: str, source: str) -> object:
    """The document in ``text``; ConfigError names ``source``, the line and what is wrong there."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, made stricter
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except yaml.MarkedYAMLError as error:
        place = f"{_place(error.problem_mark)}: " if error.problem_mark else ""
        raise ConfigError(f"{source}: {place}not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not YAML: {' '.join(str(error).split())}") from None


def read(path: Path) -> dict[str, object]:
    """The mapping in the YAML file at ``path``."""
    try:
        if path.stat().st_size > LARGEST_DOCUMENT:
            raise ConfigError(f"{path}: larger than {LARGEST_DOCUMENT} B: is this a config file?")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file: give the path of a config file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    document = parse(text, str(path))
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise ConfigError(f"{path}: a config is a mapping of keys, like 'rounds: 100'")
    return document


def write(document: object) -> str:
    """YAML text that reads back as ``document``; keys keep their order."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None
    )
    return text
