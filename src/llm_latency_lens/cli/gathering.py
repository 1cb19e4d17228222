"""Goes through the nodes of a file and gathers every mistake with its line, not the first alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import ConfigError, UsageError
from .config import Entry, expand
from .kinds import UnfitError
from .lined import Node, Pair
from .settings import Setting


class Gathering:
    """The mistakes of one file; `folder` is where it lies, and names of files start from there."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        self.path = path
        self.folder = Path(path).parent
        self.environ = environ
        self.mistakes: list[ConfigError] = []

    def wrong(self, message: str, line: int) -> None:
        self.mistakes.append(ConfigError(message, path=self.path, line=line))

    def note(self, error: UsageError, line: int) -> None:
        """A mistake that was raised; one that knows its own place keeps it."""
        if isinstance(error, ConfigError):
            self.mistakes.append(error)
        else:
            self.wrong(str(error), line)

    @property
    def sorted(self) -> list[ConfigError]:
        return sorted(self.mistakes, key=lambda error: error.line or 0)

    def named(self, node: Node, known: Sequence[str], what: str) -> dict[str, Pair]:
        """What a table holds by its names, with underscores; unknown and doubled ones are wrong."""
        if node.pairs is None:
            self.wrong(f"{what} must hold names and values: {', '.join(known[:4])}", node.line)
            return {}
        found: dict[str, Pair] = {}
        for pair in node.pairs:
            name = pair.key.replace("-", "_")
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"{what} has {', '.join(known[:4])}"
                self.wrong(f"{what} has no '{pair.key}': {hint}", pair.line)
            elif name in found:
                before = found[name].line
                self.wrong(f"{pair.key} is given twice, first on line {before}", pair.line)
            else:
                found[name] = pair
        return found

    def value(self, item: Setting, pair: Pair) -> Any:
        """What a setting was given, read; None where that is wrong."""
        try:
            return item.kind.read(self.entry(pair).value)
        except ConfigError as error:
            self.mistakes.append(error)
        except UnfitError as error:
            self.wrong(f"{pair.key} {error}", pair.line)
        return None

    def entry(self, pair: Pair) -> Entry:
        """The pair with its variables filled in. Raises ConfigError for one that is not set."""
        entry = Entry(None, pair.key, pair.node.value, pair.line)
        return expand(entry, self.environ, self.path)

    def values(self, pairs: Mapping[str, Pair], settings: Mapping[str, Setting]) -> dict[str, Any]:
        """Those of the pairs that are settings, read; two that exclude each other are wrong."""
        found = {}
        for name, pair in pairs.items():
            if item := settings.get(name):
                for rival in item.rivals:
                    if rival in pairs and rival < name:
                        both = f"{pairs[rival].key} and {pair.key}"
                        self.wrong(f"{both} exclude each other", pair.line)
                if (value := self.value(item, pair)) is not None:
                    found[name] = value
        return found
