"""What a setting is, and where its value comes from: flag, environment, file, default.

Settings are the fields of the dataclasses in `options`: flags, variables, keys of a configuration
file, their checks and their documentation are all read from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..errors import ConfigError, UsageError
from .config import Entry
from .kinds import Kind, UnfitError

ENV_PREFIX = "LATENCY_LENS_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a person can set; `shown_default` is the default in words."""

    name: str
    kind: Kind
    default: Any
    help: str
    panel: str
    shown_default: str | None = None
    negative: bool = False
    """A switch that is on and has a flag `--no-NAME` to turn it off."""
    argument: str | None = None
    """The metavar under which it can also be given without a flag, by its place."""
    rivals: tuple[str, ...] = ()
    """Settings that exclude this one: of two, the one from the nearer source stands."""
    words: bool = False
    """The words of the command line that no flag takes, as many as there are: no flag, no variable
    and no file can give it."""

    @property
    def flag(self) -> str:
        """How it is given on the command line."""
        if self.words and self.argument:
            return self.argument
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENV_PREFIX + self.name.upper()


def setting(kind: Kind, default: Any, text: str, **more: Any) -> Any:
    """A dataclass field that is a setting; `more` are the other fields of `Setting`."""
    return dataclasses.field(default=default, metadata={"kind": kind, "help": text, "more": more})


def again(group: type[Any], name: str, **changes: Any) -> Any:
    """The same setting in another group."""
    field = next(field for field in dataclasses.fields(group) if field.name == name)
    known = field.metadata
    more = {**known["more"], **changes}
    return setting(known["kind"], field.default, known["help"], **more)


def settings_of(group: type) -> list[Setting]:
    """The settings of a group, in their order. The first line of its docstring is its title."""
    panel = (group.__doc__ or "").strip().splitlines()[0].rstrip(".")
    return [
        Setting(
            field.name,
            field.metadata["kind"],
            field.default,
            field.metadata["help"],
            panel,
            **field.metadata["more"],
        )
        for field in dataclasses.fields(group)
    ]


class Source(IntEnum):
    """Where a value came from, the nearest first."""

    COMMAND_LINE = 0
    ENVIRONMENT = 1
    FILE = 2
    DEFAULT = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """What a setting came to: its value, what was given for it, and where that was given."""

    setting: Setting
    value: Any
    raw: object
    source: Source


def choose(
    settings: Iterable[Setting],
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    entries: Iterable[Entry] = (),
    path: str = "",
) -> dict[str, Choice]:
    """Settle every setting. Raises `UsageError` (`ConfigError` for the file's) on the first value
    that does not fit."""
    in_file = {entry.name: entry for entry in entries}
    chosen = {
        item.name: _choose(item, flags, environ, in_file.get(item.name), path) for item in settings
    }
    for mine in list(chosen.values()):
        for name in mine.setting.rivals:
            ranks = chosen[mine.setting.name].source, chosen[name].source
            if ranks[0] != ranks[1]:
                weaker = chosen[name].setting if ranks[0] < ranks[1] else mine.setting
                chosen[weaker.name] = _default(weaker)
    return chosen


def build(group: type[Any], chosen: Mapping[str, Choice]) -> Any:
    """The group's dataclass with the chosen values; its own check may raise `UsageError`."""
    return group(**{item.name: chosen[item.name].value for item in settings_of(group)})


def _choose(
    item: Setting,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    entry: Entry | None,
    path: str,
) -> Choice:
    flag, placed = flags.get(item.name), flags.get(placed_name(item))
    if item.words:
        given = flag not in (None, [])
        return _read(item, flag, "", Source.COMMAND_LINE) if given else _default(item)
    if flag not in (None, []) and placed is not None:
        raise UsageError(f"{item.name} is given twice: as {item.argument} and with {item.flag}")
    if placed is not None:
        return _read(item, placed, f"{item.argument}", Source.COMMAND_LINE)
    if flag not in (None, []):
        return _read(item, flag, item.flag, Source.COMMAND_LINE)
    if environ.get(item.variable):
        return _read(item, environ[item.variable], item.variable, Source.ENVIRONMENT)
    if entry is None:
        return _default(item)
    try:
        return _read(item, entry.value, entry.key, Source.FILE)
    except UsageError as error:
        raise ConfigError(str(error), path=path, line=entry.line) from None


def placed_name(item: Setting) -> str:
    """The parameter that holds the setting when it is given by its place."""
    return f"placed_{item.name}"


def _default(item: Setting) -> Choice:
    return Choice(item, item.default, None, Source.DEFAULT)


def _read(item: Setting, raw: object, name: str, source: Source) -> Choice:
    try:
        return Choice(item, item.kind.read(raw), raw, source)
    except UnfitError as error:
        raise UsageError(f"{name} {error}") from None
