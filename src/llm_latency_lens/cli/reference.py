"""The reference pages of the command line, made from the settings themselves.

`python -m llm_latency_lens.cli.reference docs/reference` writes `cli.md`, `monitor.md` and the
schemas of configurations, suites and the monitor's file.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from . import monitor_reference
from .app import VERBS
from .commands import CONFIGURED, groups_of
from .settings import Setting, settings_of
from .suite import SETTINGS

_HEAD = """\
# Command line

This page is made from the program's own table of settings
(`python -m llm_latency_lens.cli.reference docs/reference`).

Every flag can also be given as an environment variable, `LATENCY_LENS_` and its name in capitals
(`--max-tokens` is `LATENCY_LENS_MAX_TOKENS`), and, for commands that have `--config`, as a key of
a [configuration file](configuration.md). A flag comes before a variable, a variable before the
file, the file before the default.

Results go to standard output; progress, logs and errors to standard error.

| Exit code | Meaning |
|---|---|
| 0 | done |
| 1 | a limit that was set was missed |
| 2 | the command line, a file or the configuration is wrong; nothing was sent |
| 3 | the run could not be completed, or no request succeeded |
| 130 | interrupted; what was measured until then was printed and kept |
"""


def pages() -> dict[str, str]:
    """The text of each file by its name."""
    return {
        "cli.md": markdown(),
        "config.schema.json": json.dumps(schema(), indent=2) + "\n",
        "suite.schema.json": json.dumps(suite_schema(), indent=2) + "\n",
        "monitor.md": monitor_reference.markdown(),
        "monitor.schema.json": json.dumps(monitor_reference.schema(), indent=2) + "\n",
    }


def markdown() -> str:
    """The reference of all commands."""
    return "\n".join([_HEAD, *(line for module in VERBS for line in _command(module))]) + "\n"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a configuration file; editors complete and check with it."""
    sections = {name: _keys([name]) for name in CONFIGURED}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of latency-lens",
        "description": "Dashes and underscores in names mean the same.",
        "type": "object",
        "properties": {
            **_keys(CONFIGURED),
            **{
                name: {"type": "object", "properties": keys, "additionalProperties": False}
                for name, keys in sections.items()
                if keys
            },
        },
        "additionalProperties": False,
    }


def suite_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a suite of cases."""
    text = {"type": "string", "minLength": 1}
    limit = {
        "type": "object",
        "properties": {"limit": text, "severity": {"enum": ["error", "warning"]}},
        "required": ["limit"],
        "additionalProperties": False,
    }
    shared = {
        "tags": {"type": ["array", "string"], "items": text},
        "thresholds": {"type": ["array", "string"], "items": {"anyOf": [text, limit]}},
        "prompts": {"type": "array", "items": {"type": ["string", "object"]}, "minItems": 1},
        **_described(SETTINGS.values()),
    }
    case = {"name": text, **shared}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Suite of latency-lens",
        "description": "Cases to run, and what each is held to.",
        "type": "object",
        "properties": {
            "name": text,
            "defaults": {"type": "object", "properties": shared, "additionalProperties": False},
            "cases": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": case,
                    "required": ["name"],
                    "additionalProperties": False,
                },
                "minItems": 1,
            },
        },
        "required": ["cases"],
        "additionalProperties": False,
    }


def _command(module: Any) -> Iterator[str]:
    verb = module.VERB
    name = verb.__name__
    groups = groups_of(name)
    placed = [item.argument for group in groups for item in settings_of(group) if item.argument]
    usage = " ".join([f"latency-lens {name}", *(f"[{word}]" for word in placed), "[OPTIONS]"])
    yield f"## latency-lens {name}\n\n```\n{usage}\n```\n"
    yield f"{inspect.cleandoc(verb.__doc__)}\n"
    yield f"```console\n{module.EXAMPLES}\n```\n"
    for group in groups:
        settings = settings_of(group)
        yield f"**{settings[0].panel}**\n"
        yield "| Flag | Value | Meaning | Default |\n|---|---|---|---|"
        yield from map(_row, settings)
        yield ""


def _row(item: Setting) -> str:
    flag = f"`{item.flag}`" + (f" / `--no-{item.flag[2:]}`" if item.negative else "")
    value = f"`{item.kind.metavar}`" if item.kind.metavar and not item.words else ""
    # A bracket would be taken for a link.
    words = (text.replace("[", "\\[") for text in (item.help, item.shown_default or ""))
    cells = (flag, value, *words)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _keys(commands: Iterable[str]) -> dict[str, Any]:
    """What these commands can be told; of two settings of one name the first is described."""
    items = (item for name in commands for group in groups_of(name) for item in settings_of(group))
    return _described(item for item in items if item.name != "config" and not item.words)


def _described(items: Iterable[Setting]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        for written in (item.name, item.name.replace("_", "-")):
            found.setdefault(written, {"description": item.help, **item.kind.schema})
    return found


def main(folder: str) -> None:
    """Write the pages into the folder."""
    for name, text in pages().items():
        Path(folder, name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
