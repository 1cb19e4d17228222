"""Candidates of a comparison, as they are written:

    [NAME=][PROVIDER/]MODEL[@BASE_URL]

on the command line (the address begins with http:// or https://, so that other @ belong to the
model), or as a table in a configuration file, with a name and any of the settings of a target.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from ..errors import UsageError
from .kinds import Kind, UnfitError
from .settings import Setting

_WRITTEN = re.compile(
    r"(?:(?P<name>[A-Za-z0-9][A-Za-z0-9_.+-]*)=)?(?P<model>[^\s=]+?)(?:@(?P<base_url>https?://\S+))?"
)
_NAME = "name"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One candidate: its name, if it was given one, and the settings of its own."""

    name: str | None
    own: Mapping[str, Any]

    @property
    def usual_names(self) -> tuple[str, ...]:
        """What to call it without a name, the shortest first."""
        model, provider, host = self.own["model"], self.own.get("provider"), self._host
        whole = f"{provider}/{model}" if provider else model
        return model.rpartition("/")[2], whole, f"{whole}@{host}" if host else whole

    @property
    def _host(self) -> str:
        return urlsplit(self.own.get("base_url") or "").netloc.rpartition("@")[2]


def parse(text: str) -> Wanted:
    """A candidate from its text. Raises `UnfitError`."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise UnfitError(
            f"'{_cut(text)}' is no candidate: write [NAME=][PROVIDER/]MODEL[@BASE_URL]"
        )
    own = {key: found[key] for key in ("model", "base_url") if found[key]}
    return Wanted(found[_NAME], own)


def candidates(settings: Sequence[Setting]) -> Kind:
    """Candidates; `settings` are those that a table can hold."""
    known = {item.name: item for item in settings}

    def read(value: object) -> tuple[Wanted, ...]:
        given = value if isinstance(value, list | tuple) else str(value).splitlines()
        return tuple(
            _from_table(item, known) if isinstance(item, Mapping) else parse(str(item))
            for item in given
        )

    table = {
        "type": "object",
        "properties": {
            _NAME: {"type": "string"},
            **{
                written: {"description": item.help, **item.kind.schema}
                for item in settings
                for written in (item.name, item.name.replace("_", "-"))
            },
        },
        "required": ["model"],
        "additionalProperties": False,
    }
    schema = {"type": ["array", "string"], "items": {"anyOf": [{"type": "string"}, table]}}
    return Kind("[NAME=][PROVIDER/]MODEL[@URL]", read, schema, many=True)


def named(wanted: Sequence[Wanted]) -> dict[str, Wanted]:
    """Each by its name: the one it was given, else the shortest of its usual ones that no other
    has. Raises `UsageError` where two have the same."""
    names: list[Callable[[Wanted], str]] = [
        lambda one: one.usual_names[0],
        lambda one: one.usual_names[1],
        lambda one: one.usual_names[2],
    ]
    for name in names:
        found = {one.name or name(one): one for one in wanted}
        if len(found) == len(wanted):
            return found
    raise UsageError("two candidates have the same name: give them names, as in a=MODEL b=MODEL")


def _from_table(table: Mapping[str, Any], known: Mapping[str, Setting]) -> Wanted:
    own: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name == _NAME:
            continue
        if name not in known:
            near = get_close_matches(name, [_NAME, *known], n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise UnfitError(f"has a candidate with an unknown setting '{key}'{hint}")
        try:
            own[name] = known[name].kind.read(value)
        except UnfitError as error:
            raise UnfitError(f"has a candidate whose {key} {error}") from None
    if not own.get("model"):
        raise UnfitError("has a candidate without a model")
    given = table.get(_NAME)
    if given is not None and not (isinstance(given, str) and given.strip()):
        raise UnfitError("has a candidate whose name is no text")
    return Wanted(given, own)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
