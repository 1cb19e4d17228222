"""The reference page and the schema of the monitor's file, made from its own table of keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .monitor_file import PUSH, RECEIVER, SILENCE, TARGET, TOP
from .monitoring import SECTIONS, keys_of
from .settings import Setting

_HEAD = """\
# The monitor's file

`latency-lens monitor --config FILE` is told by this file what to do; the [how-to
page](../how-to/monitor.md) shows it at work. It is YAML, or TOML with the same names. This page
and the [JSON Schema](monitor.schema.json) are made from the program's own table (`python -m
llm_latency_lens.cli.reference docs/reference`).

`latency-lens validate FILE` names every mistake with its line. `${NAME}` in a value is the
environment variable NAME, `${NAME:-other}` has a fallback, and `$${` is a plain `${`. Lengths of
time are seconds, or such as `500ms`, `30s`, `5m`, `1h30m`, `14d`. Names of files start from the
file's own folder. Dashes and underscores in names mean the same.

The file is read again when it changes, when a file changes that it names, and on SIGHUP. A file
with a mistake leaves the old one in force; the log, `/readyz` and the metric
`latency_lens_config_last_reload_successful` say so. `listen`, `tls` and `data_dir` need a
restart.
"""
_OBJECTIVES = """\
A target, and `defaults`, also hold `objectives`: a list of limits in the grammar of [service
levels](gate.md#the-file-of-service-levels). A quantile or a rate says its share itself, a limit
of single requests needs a `target`:

```
objectives:
  - ttft_ms.p95<800
  - error_rate<1%
  - {limit: e2e_ms<5s, target: 99%}
```
"""


def markdown() -> str:
    """The page."""
    return "\n".join([_HEAD, *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    yield from _table("At the top", "", TOP)
    yield from _table(
        "`targets`, `defaults`",
        "A list of what is probed, at least one. `defaults` hold for each target that says nothing"
        " else (but for `name`); labels of both are joined.",
        TARGET,
    )
    yield _OBJECTIVES
    yield from _table("`push`", "A list of receivers; each may also be its URL alone.", PUSH)
    yield from _table("`alerts`", "", keys_of(SECTIONS["alerts"]))
    yield from _table("`alerts.receivers`", "A list of who is told.", RECEIVER)
    yield from _table("`alerts.silences`", "A list of what nobody is told of.", SILENCE)
    yield from _table("`retention`", "", keys_of(SECTIONS["retention"]))
    yield from _table("`tls`", "Both, or neither.", keys_of(SECTIONS["tls"]))


def _table(title: str, words: str, settings: Mapping[str, Setting]) -> Iterator[str]:
    yield f"## {title}\n"
    if words:
        yield f"{words}\n"
    yield "| Key | Value | Meaning | Default |\n|---|---|---|---|"
    for item in settings.values():
        cells = (f"`{item.name}`", f"`{item.kind.metavar or 'true|false'}`", item.help,
                 item.shown_default or "")  # fmt: skip
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the file; editors complete and check with it."""
    text = {"type": "string", "minLength": 1}
    limit = _object({"limit": text, "target": {"type": ["string", "number"]}}, ["limit"])
    objectives = {
        "description": "Limits that are to be kept.",
        "type": ["array", "string"],
        "items": {"anyOf": [text, limit]},
    }
    shared = {**_keys(TARGET.values()), "objectives": objectives}
    defaults = {name: value for name, value in shared.items() if name != "name"}
    push = _object(_keys(PUSH.values()), ["url"])
    receiver = _object(_keys(RECEIVER.values()), ["name", "kind"])
    silence = _object(_keys(SILENCE.values()), ["match"])
    sections = {name: _keys(keys_of(group).values()) for name, group in SECTIONS.items()}
    sections["alerts"] |= {
        "receivers": {"type": "array", "items": receiver},
        "silences": {"type": "array", "items": silence},
    }
    properties = {
        **_keys(TOP.values()),
        "defaults": _object(defaults),
        "targets": {"type": "array", "items": _object(shared, ["name"]), "minItems": 1},
        "push": {"type": ["array", "object", "string"], "items": {"anyOf": [text, push]}},
        **{name: _object(keys) for name, keys in sections.items()},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Monitor of latency-lens",
        "description": "Dashes and underscores in names mean the same.",
        **_object(properties, ["targets"]),
    }


def _object(properties: Mapping[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    found = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _keys(items: Iterable[Setting]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        for written in dict.fromkeys((item.name, item.name.replace("_", "-"))):
            found[written] = {"description": item.help, **item.kind.schema}
    return found
