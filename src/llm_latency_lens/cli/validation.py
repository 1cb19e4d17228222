"""Every mistake of a configuration file, each with its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from ..errors import ConfigError, UsageError
from .commands import COMMANDS, CONFIGURED, groups_of
from .config import Entry, applying, expand
from .kinds import UnfitError
from .settings import ENV_PREFIX, Setting, build, choose, settings_of

_OTHERS = ("LATENCY_LENS_HOME",)


def mistakes(entries: Iterable[Entry], path: str, environ: Mapping[str, str]) -> list[ConfigError]:
    """What is wrong with these entries: unknown and doubled names, variables that are not set,
    values that do not fit, and values that do not fit together. In the order of their lines."""
    entries = list(entries)
    found = [*_doubled(entries, path)]
    for entry in entries:
        found += _wrong(entry, path, environ)
    if not found:
        found += _clashes(entries, path, environ)
    return sorted(found, key=lambda error: error.line or 0)


def first_of(found: list[ConfigError], path: str) -> ConfigError:
    """The first mistake of a file, which also says how many more there are."""
    first, more = found[0], len(found) - 1
    if not more:
        return first
    message = f"{first} (and {more} more: latency-lens validate {path} lists them)"
    return ConfigError(message.removeprefix(f"{path}:{first.line}: "), path=path, line=first.line)


def named(setting_name: str, section: str | None) -> Setting | None:
    """The setting of this name that a section (None: the top of the file) can hold."""
    found = (item for item in _settings(section) if item.name == setting_name)
    return next(found, None)


def _settings(section: str | None) -> Iterator[Setting]:
    """What a section can hold; a file does not name another."""
    for command in CONFIGURED if section is None else (section,):
        for group in groups_of(command):
            yield from (
                item for item in settings_of(group) if item.name != "config" and not item.words
            )


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """What to say of variables that look like settings and are none."""
    given = [name for name in environ if name.startswith(ENV_PREFIX) and name not in _OTHERS]
    if not given:
        return
    known = {
        item.name.upper() for name in COMMANDS for group in groups_of(name)
        for item in settings_of(group)
    }  # fmt: skip
    for name in sorted({variable.removeprefix(ENV_PREFIX) for variable in given} - known):
        nearest = get_close_matches(name, known, n=1)
        hint = f": did you mean {ENV_PREFIX}{nearest[0]}?" if nearest else ""
        yield f"the variable {ENV_PREFIX}{name} is no setting{hint}"


def _doubled(entries: list[Entry], path: str) -> Iterator[ConfigError]:
    first: dict[tuple[str | None, str], Entry] = {}
    for entry in entries:
        before = first.setdefault((entry.section, entry.name), entry)
        if before is not entry:
            message = f"{entry.key} is given twice, first on line {before.line}"
            yield ConfigError(message, path=path, line=entry.line)


def _wrong(entry: Entry, path: str, environ: Mapping[str, str]) -> Iterator[ConfigError]:
    item = named(entry.name, entry.section)
    if item is None:
        yield ConfigError(_unknown(entry), path=path, line=entry.line)
        return
    try:
        item.kind.read(expand(entry, environ, path).value)
    except ConfigError as error:
        yield error
    except UnfitError as error:
        yield ConfigError(f"{entry.key} {error}", path=path, line=entry.line)


def _unknown(entry: Entry) -> str:
    if entry.section is None and isinstance(entry.value, dict):
        kind, known = "section", list(CONFIGURED)
    else:
        kind, known = "setting", [item.name for item in _settings(entry.section)]
    nearest = get_close_matches(entry.name, known, n=1, cutoff=0.6)
    where = f" in [{entry.section}]" if entry.section else ""
    hint = f": did you mean {nearest[0]}?" if nearest else ""
    return f"unknown {kind} '{entry.key}'{where}{hint}"


def _clashes(entries: list[Entry], path: str, environ: Mapping[str, str]) -> Iterator[ConfigError]:
    """Values that exclude each other, once each."""
    told = set()
    for command in CONFIGURED:
        used = [expand(entry, environ, path) for entry in applying(entries, command)]
        for group in groups_of(command):
            try:
                build(group, choose(settings_of(group), {}, {}, used, path))
            except UsageError as error:
                if str(error) not in told:
                    told.add(str(error))
                    yield ConfigError(str(error), path=path)
