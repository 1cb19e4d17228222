"""Configuration files: TOML or YAML, with the names of the flags, and the line of every entry.

Keys at the top hold for each command that knows them; a section named after a command holds for
that command and comes before them. `${NAME}` in a value is the environment variable NAME,
`${NAME:-other}` has a fallback, and `$${` is a plain `${`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError
from .lined import Pair, read_node

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{([^}]*)\}?")


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
    root = read_node(path, "configuration file")
    if root is None:
        return []
    if root.pairs is None:
        raise ConfigError("the file must hold names and values", path=path, line=1)
    return list(_entries(root.pairs, frozenset(sections)))


def _entries(pairs: Iterable[Pair], sections: frozenset[str]) -> Iterator[Entry]:
    for pair in pairs:
        if pair.key in sections and pair.node.pairs is not None:
            for inner in pair.node.pairs:
                yield Entry(pair.key, inner.key, inner.node.value, inner.line)
        else:
            yield Entry(None, pair.key, pair.node.value, pair.line)


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
