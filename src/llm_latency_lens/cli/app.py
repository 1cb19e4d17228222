"""The command `latency-lens`: all verbs, and what becomes of what they raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

import typer

from .._version import __version__
from ..errors import LensError
from . import (
    analyze,
    baseline,
    bench,
    benchmark,
    calibrate,
    coldstart,
    compare,
    demo,
    export,
    gate,
    importing,
    monitor,
    optimize,
    prices,
    profile,
    program,
    providers,
    proxy,
    report,
    runs,
    sim,
    validate,
    version,
)
from .commands import COMMANDS
from .verb import add
from .world import World

# The base of what typer raises for a wrong command line; its home differs between versions.
_Usage: type[Exception] = typer.BadParameter.__bases__[0]
VERBS = (
    profile,
    benchmark,
    bench,
    compare,
    coldstart,
    optimize,
    program,
    proxy,
    monitor,
    report,
    gate,
    baseline,
    export,
    runs,
    analyze,
    importing,
    sim,
    demo,
    calibrate,
    providers,
    prices,
    version,
    validate,
)


def build(only: str | None = None) -> typer.Typer:
    """The typer application; given `only`, no other command has its flags, which saves time."""
    app = typer.Typer(
        name="latency-lens",
        no_args_is_help=False,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in VERBS:
        complete = only is None or module.VERB.__name__ == only
        add(app, module.VERB, module.EXAMPLES, complete=complete)
    return app


def _show_version(context: typer.Context, wanted: bool | None) -> None:
    if wanted:
        context.obj.out.write(f"latency-lens {__version__}\n")
        raise typer.Exit


def _root(
    version: bool | None = typer.Option(
        None,
        "--version",
        metavar=" ",
        help="Show the version and exit.",
        callback=_show_version,
        is_eager=True,
    ),
) -> None:
    """Measure how long a language model takes to answer, token by token."""


def run(args: Sequence[str], world: World) -> int:
    """Carry out one command line; gives its exit code.

    0 is success, 1 a missed threshold, 2 wrong usage or configuration, 3 a run that could not be
    completed, 130 an interrupted one. Whatever is wrong is one line on standard error.
    """
    verb = next((arg for arg in args if arg in COMMANDS), "")
    command = typer.main.get_command(build(verb))
    try:
        code = command.main(
            args=(runs.tags_last(args) if verb == "runs" else list(args)) or ["--help"],
            prog_name="latency-lens",
            standalone_mode=False,
            obj=world,
        )
    except LensError as error:
        _complain(world.err, str(error))
        return error.exit_code
    except _Usage as error:
        return _misused(error, world.err)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def _misused(error: Exception, err: TextIO) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "latency-lens"
    message = error.format_message().strip().rstrip(".")  # type: ignore[attr-defined]
    _complain(err, f"{message[:1].lower()}{message[1:]} (see {path} --help)")
    return 2


def _complain(err: TextIO, message: str) -> None:
    print(f"latency-lens: error: {' '.join(message.split())}", file=err)
