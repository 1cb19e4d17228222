"""TOML and YAML read so that every value knows its line: a mistake is named with it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from ..errors import ConfigError, UsageError

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Node:
    """A value as it reads, the line where it begins, and what is in it."""

    value: Any
    line: int
    pairs: tuple[Pair, ...] | None = None
    """Of a mapping; names can stand twice in YAML."""
    items: tuple[Node, ...] | None = None
    """Of a list."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A name, its line, and what it names."""

    key: str
    line: int
    node: Node


def read_node(path: str, what: str) -> Node | None:
    """The whole file; None where a YAML file is empty. `what` it is to be is said in mistakes.

    Raises `UsageError` when the file cannot be read, and `ConfigError` with the line when it is
    not what its name says.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in (".toml", ".yaml", ".yml"):
        raise UsageError(f"{what} {path}: the name must end in .toml, .yaml or .yml")
    try:
        source = Path(path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{what} {path}: {reason[:1].lower()}{reason[1:]}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("not UTF-8", path=path, line=line) from None
    return _toml(source, path) if suffix == ".toml" else _yaml(source, path)


# --- TOML -----------------------------------------------------------------------------------

_Path = tuple[str | int, ...]


def _toml(source: str, path: str) -> Node:
    try:
        tree = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place.group(1)) if place and place.group(1) else source.count("\n") + 1
        message = _TOML_PLACE.sub("", str(error))
        raise ConfigError(f"not TOML: {message}", path=path, line=line) from None
    return _toml_node(tree, (), _toml_lines(source))


def _toml_node(value: Any, place: _Path, lines: dict[_Path, int]) -> Node:
    inside = {step: _toml_node(one, (*place, step), lines) for step, one in _steps(value)}
    line = lines.get(place, 1)
    if isinstance(value, dict):
        pairs = tuple(Pair(str(key), node.line, node) for key, node in inside.items())
        return Node(value, line, pairs=pairs)
    return Node(value, line, items=tuple(inside.values()) if isinstance(value, list) else None)


def _toml_lines(source: str) -> dict[_Path, int]:
    """The line on which each key and each item appears.

    tomllib does not tell; but a TOML file cut after a whole statement is a TOML file, so the line
    of a key is where the first cut that holds it begins.
    """
    found: dict[_Path, int] = {}
    lines = source.split("\n")
    begin = 1
    for end in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        for place in _places(tree, ()):
            found.setdefault(place, begin)
        begin = end + 1
    return found


def _places(value: Any, place: _Path) -> Iterator[_Path]:
    for step, inner in _steps(value):
        yield (*place, step)
        yield from _places(inner, (*place, step))


def _steps(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


# --- YAML -----------------------------------------------------------------------------------


def _yaml(source: str, path: str) -> Node | None:
    import yaml

    try:
        loader = yaml.SafeLoader(source)
        root = loader.get_single_node()
        return None if root is None else _Builder(loader, _own_names(root, {})).node(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(f"not YAML: {error.problem}", path=path, line=line) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {str(error).splitlines()[0]}", path=path) from None


def _own_names(node: Any, found: dict[int, list[Any]]) -> dict[int, list[Any]]:
    """The pairs that stand in each mapping itself, by its node: reading one merges others in."""
    import yaml

    if id(node) in found or isinstance(node, yaml.ScalarNode):
        return found
    found[id(node)] = [*node.value]
    for inner in node.value:
        for one in inner if isinstance(inner, tuple) else (inner,):
            _own_names(one, found)
    return found


@dataclass(slots=True)
class _Builder:
    """Makes nodes of the loader's. What an alias names is made once, or a few lines could fill the
    memory."""

    loader: Any
    own: dict[int, list[Any]]
    made: dict[int, Node] = field(default_factory=dict)

    def node(self, node: Any) -> Node:
        import yaml

        if id(node) not in self.made:
            value = self._value(node)  # refuses what refers to itself
            pairs = items = None
            if isinstance(node, yaml.MappingNode):
                pairs = tuple(self._pairs(node))
            elif isinstance(node, yaml.SequenceNode):
                items = tuple(map(self.node, node.value))
            self.made[id(node)] = Node(value, node.start_mark.line + 1, pairs, items)
        return self.made[id(node)]

    def _pairs(self, node: Any) -> Iterator[Pair]:
        """What is merged in (`<<: *name`) gives way to the mapping's own names."""
        own = [pair for pair in self.own[id(node)] if pair[0].tag != _MERGE]
        names = {self._value(key) for key, _ in own}
        merged = [pair for pair in node.value if self._value(pair[0]) not in names]
        for key, inner in (*merged, *own):
            yield Pair(str(self._value(key)), key.start_mark.line + 1, self.node(inner))

    def _value(self, node: Any) -> Any:
        return self.loader.construct_object(node, deep=True)
