"""`latency-lens export`: a run that was kept, in the format of another program."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from ..errors import RunError, UsageError
from ..sinks import FORMATS, Exported, export_of
from ..sinks.address import is_url
from .exporting import Exporting, Logging
from .options import Repaying, Which
from .output import check_writable
from .settings import Source
from .world import Call

EXAMPLES = """\
latency-lens export --to csv --output requests.csv
latency-lens export 20240102T030405Z --to parquet --output run.parquet
latency-lens export --to vllm
latency-lens export ./runs/nightly --to perfetto --output trace.json"""


def export(
    call: Call, *, which: Which, exporting: Exporting, repaying: Repaying, _logging: Logging
) -> int:
    """Write a run in the format of another program.

    Every number is computed anew from what was captured, and is the one that `report` shows.
    """
    from ..sinks.files import paths_of, save

    to, path, out = exporting.to, exporting.output, call.world.out
    if to is None:
        raise UsageError(f"--to is missing: give a URL, or {', '.join(FORMATS)}")
    if is_url(to):
        return _send(call, to, which, exporting, repaying)
    if path == "-":
        _check_printed(to, out)
    check_writable(*paths_of(to, path))
    write = export_of(to, path)
    exported = _exported(call, which, exporting, repaying)
    if path != "-":
        save(exported, to, path)
        return 0
    with _printed(out) as file, _appended(to, call) as parts:
        write(exported, file, *parts)
    return 0


def _exported(call: Call, which: Which, exporting: Exporting, repaying: Repaying) -> Exported:
    from ..workload.tokenizer import load_tokenizer

    return call.world.exported(
        which.run,
        keep_text=exporting.keep_text,
        tokenizer=load_tokenizer(exporting.tokenizer) if exporting.tokenizer else None,
        prices=repaying.prices,
        reprice=call.chosen["prices"].source is Source.COMMAND_LINE,
    )


def _send(call: Call, url: str, which: Which, exporting: Exporting, repaying: Repaying) -> int:
    """Send every request of the run to one place."""
    from ..engine.delivery import send

    if call.chosen["output"].source is Source.COMMAND_LINE:
        raise UsageError("--output goes with a format: what is sent to a URL is in no file")
    exported = _exported(call, which, exporting, repaying)
    sent, shown = send(exported, url, call.world.environ)
    call.world.err.write(f"{sent:,} requests were sent to {shown}\n")
    return 0


def _check_printed(to: str, out: TextIO) -> None:
    form = FORMATS[to]
    if form.parts:
        raise UsageError(f"{to} is {len(form.parts) + 1} files: name the first with --output")
    if form.binary and out.isatty():
        raise UsageError(f"{to} is not text: name a file with --output, or use a pipe")


@contextmanager
def _printed(out: TextIO) -> Iterator[BinaryIO]:
    """The bytes under a stream of text; a stream that has none is given the text at the end."""
    if hasattr(out, "buffer"):
        yield out.buffer
        return
    gathered = io.BytesIO()
    yield gathered
    out.write(gathered.getvalue().decode())


@contextmanager
def _appended(to: str, call: Call) -> Iterator[list[BinaryIO]]:
    """The file that takes the last part of what is printed, where there is one; not where all is
    to be printed by the user's own wish."""
    variable = FORMATS[to].appended
    path = call.world.environ.get(variable) if variable else None
    if not path or call.chosen["output"].source is not Source.DEFAULT:
        yield []
        return
    try:
        with open(path, "ab") as file:
            yield [file]
    except OSError as error:
        raise RunError(f"cannot write {path}, which {variable} names: {error.strerror}") from None
    call.world.err.write(f"The summary was appended to the file that {variable} names.\n")


VERB = export
