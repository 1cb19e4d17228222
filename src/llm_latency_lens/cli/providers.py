"""`latency-lens providers`: whose interfaces are spoken, and whether one's keys work."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shutil import get_terminal_size
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TextIO

from ..errors import LensError, RunError, UsageError
from .options import Asked, Shape
from .world import Call, World

if TYPE_CHECKING:
    from ..providers import Provider
    from ..record import Record

EXAMPLES = """\
latency-lens providers
latency-lens providers --json
latency-lens providers check
latency-lens providers check --provider groq --model llama-3.1-8b-instant"""

_PROMPT = "Say hi."
_MAX_TOKENS = 16


def providers(call: Call, *, asked: Asked, shape: Shape) -> int:
    """List the providers, or check the keys that are there.

    The list has the address of each, the variables that hold its key, and what its answers report.
    `check` sends one tiny request to each that has a key, which costs a fraction of a cent; the
    exit code is 3 when one fails.
    """
    from ..providers import get

    known = [get(asked.provider)] if asked.provider else _installed(call.world)
    if asked.action == "check":
        if asked.model and not asked.provider:
            raise UsageError("--model needs --provider: each has models of its own")
        return _check(known, asked, shape, call.world)
    if shape.json:
        call.world.out.write(json.dumps([_told(one) for one in known], indent=2) + "\n")
        return 0
    _table(
        call.world,
        ("PROVIDER", "ADDRESS", "KEY", "REPORTS"),
        [(one.name, one.base_url, _key(one), ", ".join(one.reports)) for one in known],
    )
    return 0


def _installed(world: World) -> list[Provider]:
    """Every provider that can be used. A package that breaks its own is named, and left out."""
    from ..providers import get, names

    found = []
    for name in names():
        try:
            found.append(get(name))
        except UsageError as error:
            world.err.write(f"{error}\n")
    return found


def _told(provider: Provider) -> dict[str, object]:
    return {
        "name": provider.name,
        "title": provider.title,
        "base_url": provider.base_url,
        "key_env": provider.key_env,
        "base_url_env": provider.base_url_env,
        "needs_key": provider.needs_key,
        "operations": ["chat", *provider.also],
        "reports": provider.reports,
        "notes": provider.notes,
    }


def _key(provider: Provider) -> str:
    names = " or ".join(provider.key_env)
    match provider.auth:
        case "aws":
            return f"{names} or AWS credentials"
        case "google":
            return "Google credentials" + (f" or {names}" if names else "")
        case "entra":
            return f"{names} or an Entra token"
    if not names:
        return "none"
    return names + ("" if provider.needs_key else " (optional)")


# -- check -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Checked:
    """What became of one provider's tiny request."""

    provider: str
    model: str
    ok: bool
    ttft_ms: float | None
    what: str


def _check(known: Iterable[Provider], asked: Asked, shape: Shape, world: World) -> int:
    found, without = [], []
    for provider in known:
        if not asked.provider and not _has_key(provider, world.environ):
            if provider.needs_key:
                without.append(provider.name)
            continue
        world.err.write(f"asking {provider.name} ...\n")
        found.append(_ask(provider, asked, world))
    if not found:
        raise UsageError(
            "no provider has a key here: `latency-lens providers` names the variables to set"
        )
    if shape.json:
        rows = [{name: getattr(one, name) for name in _Checked.__slots__} for one in found]
        world.out.write(json.dumps(rows, indent=2) + "\n")
    else:
        _table(
            world,
            ("PROVIDER", "MODEL", "TTFT", "RESULT"),
            [(one.provider, one.model, _ms(one.ttft_ms), one.what) for one in found],
        )
        if without:
            world.out.write(f"\nWithout a key: {', '.join(without)}\n")
    if failed := [one.provider for one in found if not one.ok]:
        raise RunError(f"no good answer from {', '.join(failed)}")
    return 0


def _has_key(provider: Provider, environ: Mapping[str, str]) -> bool:
    """Whether there is anything to ask it with; a server of one's own has no key to check."""
    from ..targets import names_identity

    return any(map(environ.get, provider.key_env)) or names_identity(provider, environ)


def _ask(provider: Provider, asked: Asked, world: World) -> _Checked:
    from ..transport.settings import Timeouts

    model = asked.model or provider.small_model
    if model is None:
        what = "it has no usual model: name one with --provider and --model"
        return _Checked(provider.name, "", False, None, what)
    try:
        with TemporaryDirectory() as folder:  # the answer does not matter: nothing is kept
            lens = world.lens(
                provider=provider.name,
                model=model,
                max_tokens=_MAX_TOKENS,
                timeouts=Timeouts(total_s=asked.timeout),
                raw="off",
                run_dir=folder,
            )
            record = lens.profile(_PROMPT, name="check").record
    except LensError as error:
        return _Checked(provider.name, model, False, None, str(error))
    ttft_ms = None if record.ttft_ns is None else record.ttft_ns / 1e6
    return _Checked(provider.name, model, record.error is None, ttft_ms, _result(record))


def _result(record: Record) -> str:
    from ..report import failure

    if record.error is not None:
        return failure(record.error)
    return f"ok, answered by {record.response_model}" if record.response_model else "ok"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _table(world: World, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """One line a row; on a terminal that is too narrow for it, cells take several lines."""
    table = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if world.out.isatty() and sum(widths) + 2 * len(widths) > get_terminal_size().columns:
        _fold(world.out, head, rows)
        return
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        world.out.write("  ".join(cells).rstrip() + "\n")


def _fold(out: TextIO, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*row)
    width = get_terminal_size().columns
    Console(file=out, width=width, highlight=False, markup=False).print(table)


VERB = providers
