"""The door to the disk: a user's file of prices, in TOML, YAML or JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, UsageError
from .entries import Entry, EntryError, read_entry

if TYPE_CHECKING:
    import yaml

TABLE = "prices"
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_TOML_HEAD = re.compile(rf"^\s*\[\[\s*{TABLE}\s*\]\]")

Prices = str | Path | Sequence[Mapping[str, Any]]
"""A file of prices, or its entries."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One entry as it stands in a file; the empty key is the entry itself."""

    table: Mapping[str, Any]
    lines: Mapping[str, int]


def read_prices(given: Prices) -> tuple[Entry, ...]:
    """The entries of a file, or those that were given as such.

    Raises UsageError for a file that cannot be read, and ConfigError with the line of a mistake.
    """
    if not isinstance(given, str | Path):
        return tuple(_given(given))
    path = Path(given)
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".yaml", ".yml", ".json"):
        raise UsageError(f"prices file {path}: the name must end in .toml, .yaml, .yml or .json")
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise UsageError(f"prices file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("not UTF-8", path=str(path), line=line) from None
    read = {".toml": _toml, ".json": _json}.get(suffix, _yaml)
    return tuple(_entry(found, number, path) for number, found in enumerate(read(text, path), 1))


def _given(tables: Sequence[Mapping[str, Any]]) -> Iterator[Entry]:
    for number, table in enumerate(tables, 1):
        try:
            yield read_entry(table, "given prices", number)
        except EntryError as error:
            raise UsageError(f"price {number}: {error}") from None


def _entry(found: _Found, number: int, path: Path) -> Entry:
    try:
        return read_entry(found.table, f"prices file {path.name}", number)
    except EntryError as error:
        line = found.lines.get(error.key or "") or found.lines.get("")
        raise ConfigError(f"{TABLE} entry {number}: {error}", path=str(path), line=line) from None


def _check(tree: Any, path: Path, line: int = 1) -> list[Any]:
    """The list of entries. Nothing else may stand in the file."""
    if not isinstance(tree, Mapping) or not isinstance(tree.get(TABLE), list):
        raise ConfigError(f"the file must hold a list named {TABLE}", path=str(path), line=line)
    for key in tree:
        if key != TABLE:
            message = f"unknown key '{key}': the file holds a list named {TABLE}, nothing else"
            raise ConfigError(message, path=str(path))
    for number, table in enumerate(tree[TABLE], 1):
        if not isinstance(table, Mapping):
            raise ConfigError(f"{TABLE} entry {number}: not a table", path=str(path))
    found: list[Any] = tree[TABLE]
    return found


def _toml(text: str, path: Path) -> Iterator[_Found]:
    try:
        tree = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place.group(1)) if place and place.group(1) else text.count("\n") + 1
        message = _TOML_PLACE.sub("", str(error))
        raise ConfigError(f"not TOML: {message}", path=str(path), line=line) from None
    tables, lines = _check(tree, path), text.split("\n")
    heads = [number for number, line in enumerate(lines, 1) if _TOML_HEAD.match(line)]
    for number, table in enumerate(tables):
        begin = heads[number] if len(heads) == len(tables) else 1
        end = heads[number + 1] if number + 1 < len(heads) == len(tables) else len(lines) + 1
        yield _Found(table, {"": begin, **dict(_toml_keys(table, lines, begin, end))})


def _toml_keys(
    table: Mapping[str, Any], lines: Sequence[str], begin: int, end: int
) -> Iterator[tuple[str, int]]:
    """On which line each key of a table stands, which tomllib does not tell."""
    for key in table:
        named = re.compile(rf"""^\s*["']?{re.escape(key)}["']?\s*=""")
        for number in range(begin, end):
            if named.match(lines[number - 1]):
                yield key, number
                break


def _json(text: str, path: Path) -> Iterator[_Found]:
    """As YAML, of which JSON is a part: only that reader tells lines."""
    try:
        json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise ConfigError(f"not JSON: {error}", path=str(path), line=line) from None
    # YAML takes a tab for an error where JSON takes it for a space; in a string it is none of both.
    yield from _yaml(text.replace("\t", " "), path)


def _yaml(text: str, path: Path) -> Iterator[_Found]:
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        loader.yaml_constructors = {  # type: ignore[misc]
            **loader.yaml_constructors,
            "tag:yaml.org,2002:float": _decimal,
        }
        root = loader.get_single_node()
        tree = None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(f"not YAML: {error.problem}", path=str(path), line=line) from None
    tables = _check(tree, path)
    assert root is not None  # else there would be no table
    nodes = next(value for key, value in root.value if key.value == TABLE).value
    for table, node in zip(tables, nodes, strict=True):
        lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
        yield _Found(table, {"": node.start_mark.line + 1, **lines})


def _decimal(_: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    """A number with all its digits; `.inf` and the like are refused as any other text."""
    text: str = node.value.replace("_", "")
    try:
        return Decimal(text)
    except ArithmeticError:
        return Decimal("nan")
