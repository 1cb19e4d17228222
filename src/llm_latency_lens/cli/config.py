"""Configuration files: TOML or YAML, with the names of the flags, and the line of every entry.

Keys at the top hold for each command that knows them; a section named after a command holds for
that command and comes before them. `${NAME}` in a value is the environment variable NAME,
`${NAME:-other}` has a fallback, and `$${` is a plain `${`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from ..errors import ConfigError, UsageError

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{([^}]*)\}?")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a file. `name` is the setting's: dashes are underscores."""

    section: str | None
    key: str
    value: Any
    line: int

    @property
    def name(self) -> str:
        return self.key.replace("-", "_")


def read_entries(path: str, sections: Iterable[str]) -> list[Entry]:
    """Every entry of the file, as written; a table under one of `sections` is a section.

    Raises `UsageError` when the file cannot be read, and `ConfigError` with the line when it is
    not what its name says.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in (".toml", ".yaml", ".yml"):
        raise UsageError(f"configuration file {path}: the name must end in .toml, .yaml or .yml")
    try:
        source = Path(path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"configuration file {path}: {reason[:1].lower()}{reason[1:]}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("not UTF-8", path=path, line=line) from None
    read = _toml_entries if suffix == ".toml" else _yaml_entries
    return list(read(source, path, frozenset(sections)))


def applying(entries: Iterable[Entry], section: str) -> list[Entry]:
    """The entries that hold for one command: its own section's after those at the top."""
    found = [entry for entry in entries if entry.section in (None, section)]
    return sorted(found, key=lambda entry: entry.section is not None)


def expand(entry: Entry, environ: Mapping[str, str], path: str) -> Entry:
    """The entry with its variables replaced. Raises `ConfigError` for one that is not set."""

    def one(found: re.Match[str]) -> str:
        name, fallback, broken = found.groups()
        if found.group() == "$${":
            return "${"
        if broken is not None or name is None:
            raise ConfigError(
                f"{entry.key}: '{found.group()}' is not ${{NAME}} or ${{NAME:-fallback}}",
                path=path,
                line=entry.line,
            )
        value = environ.get(name) or fallback
        if value is None:
            raise ConfigError(
                f"{entry.key}: the environment variable {name} is not set",
                path=path,
                line=entry.line,
            )
        return value

    def inside(value: Any) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(one, value)
        if isinstance(value, list):
            return [inside(item) for item in value]
        if isinstance(value, dict):
            return {key: inside(item) for key, item in value.items()}
        return value

    return replace(entry, value=inside(entry.value))


def _toml_entries(source: str, path: str, sections: frozenset[str]) -> Iterator[Entry]:
    try:
        tree = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place.group(1)) if place and place.group(1) else source.count("\n") + 1
        message = _TOML_PLACE.sub("", str(error))
        raise ConfigError(f"not TOML: {message}", path=path, line=line) from None
    lines = _toml_lines(source)
    for key, value in tree.items():
        if key in sections and isinstance(value, dict):
            for name, inner in value.items():
                yield Entry(key, name, inner, lines[key, name])
        else:
            yield Entry(None, key, value, lines[key,])


def _toml_lines(source: str) -> dict[tuple[str, ...], int]:
    """The line on which each key of the first two levels appears.

    tomllib does not tell; but a TOML file cut after a whole statement is a TOML file, so the line
    of a key is where the first cut that holds it begins.
    """
    found: dict[tuple[str, ...], int] = {}
    lines = source.split("\n")
    begin = 1
    for end in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        for key, value in tree.items():
            found.setdefault((key,), begin)
            for name in value if isinstance(value, dict) else ():
                found.setdefault((key, name), begin)
        begin = end + 1
    return found


def _yaml_entries(source: str, path: str, sections: frozenset[str]) -> Iterator[Entry]:
    import yaml

    try:
        loader = yaml.SafeLoader(source)
        root = loader.get_single_node()
        if root is None:
            return
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError("the file must hold names and values", path=path, line=1)
        for key_node, value_node in root.value:
            key = str(loader.construct_object(key_node, deep=True))
            if key in sections and isinstance(value_node, yaml.MappingNode):
                for name_node, inner in value_node.value:
                    name = str(loader.construct_object(name_node, deep=True))
                    value = loader.construct_object(inner, deep=True)
                    yield Entry(key, name, value, name_node.start_mark.line + 1)
            else:
                value = loader.construct_object(value_node, deep=True)
                yield Entry(None, key, value, key_node.start_mark.line + 1)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(f"not YAML: {error.problem}", path=path, line=line) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {str(error).splitlines()[0]}", path=path) from None
