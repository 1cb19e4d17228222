"""`latency-lens run`: another program, with its calls to language models measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .options import Outputs, Screen
from .output import check_writable, prints_table, write_result
from .running import Kept, Paying, Written
from .running import Program as Wanted
from .world import Call, World

if TYPE_CHECKING:
    from ..metrics.program import Program
    from ..record import Record

EXAMPLES = """\
latency-lens run -- python app.py --port 8000
latency-lens run --output calls.json -- python -m pytest tests
latency-lens run --raw redacted --records calls.jsonl -- ./app.sh"""


def run(
    call: Call, *, program: Wanted, kept: Kept, paying: Paying, written: Written, screen: Screen
) -> int:
    """Run a program and tell which of its lines wait how long for which model.

    Its calls on httpx, aiohttp, requests and urllib3, and so those of the providers' SDKs, are
    measured from outside, in every Python that it starts; its code is not changed. The table comes
    when it has ended, and the exit code is the program's own.
    """
    world = call.world
    if not program.words:
        raise UsageError("run takes a program behind --, as in: latency-lens run -- python app.py")
    outputs = written.outputs
    check_writable(outputs.output, outputs.records)
    ran = world.run_program(
        program.words,
        world.environ,
        run_dir=kept.run_dir and Path(kept.run_dir),
        raw=kept.raw,
        name=kept.name or "",
        prices=paying.prices,
        keep_text=outputs.keep_text,
    )
    show(ran.result, ran.records(), outputs, screen, world)
    if prints_table(outputs.output, outputs.records) and not screen.quiet:
        world.out.write(f"\nRun kept in   {ran.run.path}\n")
    return ran.code


def show(
    found: Program, records: Iterable[Record], outputs: Outputs, screen: Screen, world: World
) -> None:
    """Print and write what was found."""
    from .. import report
    from ..metrics.program import encode

    write_result(found, records, outputs, screen, world, draw=report.program, encoded=encode(found))


VERB = run
