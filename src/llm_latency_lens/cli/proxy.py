"""`latency-lens proxy`: a reverse proxy that measures the calls of programs in any language."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RunError, UsageError
from .options import Keeping, Outputs, Screen
from .output import check_writable, prints_table, tell_lost, write_result
from .proxying import Passing, Way
from .running import Paying, Written
from .target import network_of
from .world import Call, World

if TYPE_CHECKING:
    from ..integrations.proxy.program import Ran
    from ..metrics.proxied import Proxied
    from ..record import Record
    from .progress import Display

EXAMPLES = """\
latency-lens proxy https://api.openai.com
latency-lens proxy --upstream http://localhost:8000 --provider vllm
latency-lens proxy https://api.anthropic.com --raw off --duration 1h"""

_MANY = 2000
"""Calls that take more than a second to sum up."""


def proxy(
    call: Call,
    *,
    passing: Passing,
    way: Way,
    keeping: Keeping,
    paying: Paying,
    written: Written,
    screen: Screen,
) -> int:
    """Stand between programs in any language and an API, and measure the calls that go through.

    Point a program's base URL here; what it sends and gets is passed on unchanged. The first Ctrl-C
    lets what is under way end and prints the table, the second cuts it off.
    """
    world, outputs = call.world, written.outputs
    if passing.upstream is None:
        raise UsageError("proxy takes the address of the API, as in: proxy https://api.openai.com")
    check_writable(outputs.output, outputs.records)
    host, port = passing.place

    def ready(address: str) -> None:
        if not screen.quiet:
            print(
                f"Calls to {address} go to {passing.upstream}; Ctrl-C ends this, with a table.",
                file=world.err,
                flush=True,
            )

    def ended(calls: int) -> None:
        if display:
            display.close()
        if calls >= _MANY and not screen.quiet:
            print(f"Summing up {calls:,} calls; the run is kept already.", file=world.err)

    display = _display(screen, world)
    try:
        ran = world.run_proxy(
            passing.upstream,
            host=host,
            port=port,
            network=network_of(way.whole),
            provider=passing.provider,
            run_dir=keeping.run_dir and Path(keeping.run_dir),
            raw=keeping.raw,
            name=keeping.name or "",
            prices=paying.prices,
            keep_text=outputs.keep_text,
            stream_to=keeping.stream_to,
            duration_s=passing.duration,
            grace_s=passing.grace,
            on_ready=ready,
            on_progress=display,
            on_ended=ended,
        )
    finally:
        if display:
            display.close()
    return _tell(ran, outputs, screen, world)


def _tell(ran: Ran, outputs: Outputs, screen: Screen, world: World) -> int:
    """Say what came of it; the exit code."""
    show(ran.result, ran.records(), outputs, screen, world)
    tell_lost(ran.run, world.err)
    if prints_table(outputs.output, outputs.records) and not screen.quiet:
        world.out.write(f"\nRun kept in   {ran.run.path}\n")
    if error := ran.run.file.context.stopped_early:
        raise RunError(f"not all calls could be kept: {error}")
    return 130 if ran.interrupted else 0


def show(
    found: Proxied, records: Iterable[Record], outputs: Outputs, screen: Screen, world: World
) -> None:
    """Print and write what was found."""
    from .. import report
    from ..metrics.proxied import encode

    write_result(found, records, outputs, screen, world, draw=report.proxied, encoded=encode(found))


def _display(screen: Screen, world: World) -> Display | None:
    """On a terminal alone: a proxy may run for days, and its log is for what goes wrong."""
    from .progress import Display

    if screen.quiet or not world.err.isatty():
        return None
    return Display(world.err, color=not screen.no_color)


VERB = proxy
