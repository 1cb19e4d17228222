"""From a function over groups of settings to a command.

A verb is a function of the `Call` and, by keyword, of the groups that `commands.groups_of` gives it
in the same order. Its flags are made from their fields; it is called with the groups filled in, and
returns the exit code.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import typer

from .commands import CONFIGURED, groups_of
from .config import applying, expand, read_entries
from .settings import Choice, Setting, build, choose, placed_name, settings_of
from .validation import first_of, mistakes, unknown_variables
from .world import Call, World

Verb = Callable[..., int]

_log = logging.getLogger(__name__)


def add(app: typer.Typer, verb: Verb, examples: str, *, complete: bool) -> None:
    """Make a command of the verb; `examples` close its help. One that is not complete is only to
    be listed: it has no flags."""
    name = verb.__name__
    groups = groups_of(name) if complete else ()
    names = list(inspect.signature(verb).parameters)[1:]

    def command(context: typer.Context, **flags: object) -> int:
        world: World = context.obj
        chosen = _choose(name, groups, flags, world.environ)
        _start_logging(chosen, world)
        try:
            filled = (build(group, chosen) for group in groups)
            code = verb(Call(world, name, chosen), **dict(zip(names, filled, strict=True)))
            world.out.flush()
        except BrokenPipeError:
            # The reader of a pipe has gone. What is still buffered must not fail at exit either.
            if world.out is sys.stdout:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        return code

    parameters = [_keyword("context", typer.Context, inspect.Parameter.empty)]
    for group in groups:
        for item in settings_of(group):
            parameters += _parameters(item)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {item.name: item.annotation for item in parameters}
    epilog = f"[bold]Examples[/bold]\n{_plain(examples)}"
    paragraphs = inspect.cleandoc(verb.__doc__ or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    app.command(name, help=_plain(text), epilog=epilog)(command)


def _choose(
    name: str, groups: Iterable[type], flags: Mapping[str, object], environ: Mapping[str, str]
) -> dict[str, Choice]:
    settings = [item for group in groups for item in settings_of(group)]
    path = flags.get("config") or environ.get("LATENCY_LENS_CONFIG")
    if not path or "config" not in flags or name not in CONFIGURED:
        return choose(settings, flags, environ)
    path = str(path)
    entries = applying(read_entries(path, CONFIGURED), name)
    found = mistakes(entries, path, environ)
    if found:
        raise first_of(found, path)
    used = [expand(entry, environ, path) for entry in entries]
    return choose(settings, flags, environ, used, path)


def _start_logging(chosen: Mapping[str, Choice], world: World) -> None:
    if "log_level" in chosen and "log_format" not in chosen:
        level = str(chosen["log_level"].value).upper()
        form = "latency-lens: %(levelname)s: %(message)s"
        logging.basicConfig(level=level, format=form, stream=world.err, force=True)
        # Clouds' libraries tell at length what this program says in one line.
        logging.getLogger("azure").setLevel(logging.CRITICAL)
        for complaint in unknown_variables(world.environ):
            _log.warning(complaint)


def _parameters(item: Setting) -> list[inspect.Parameter]:
    """The flag of a setting, and its place when it has one."""
    kind = item.kind
    if item.words:
        words = typer.Argument(
            None, metavar=item.argument, help=_plain(item.help), show_default=False
        )
        return [_keyword(item.name, list[str] | None, words)]
    annotation: Any = list[str] | None if kind.many else str | None
    names = [item.flag]
    if not kind.metavar:
        annotation = bool | None
        names = [f"{item.flag}/--no-{item.flag[2:]}"] if item.negative else names
    default = f" [dim](default: {_plain(item.shown_default)})[/dim]" if item.shown_default else ""
    option = typer.Option(
        None,
        *names,
        help=_plain(item.help) + default,
        # A switch takes no value, and typer would name its type.
        metavar=kind.metavar or " ",
        show_default=False,
        rich_help_panel=item.panel,
    )
    made = [_keyword(item.name, annotation, option)]
    if item.argument:
        argument = typer.Argument(
            None, metavar=item.argument, help=f"The same as {item.flag}.", show_default=False
        )
        made.append(_keyword(placed_name(item), str | None, argument))
    return made


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _plain(text: str) -> str:
    """Keep rich from taking brackets for markup."""
    return text.replace("[", "\\[")
