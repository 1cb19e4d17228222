"""`latency-lens export`: a run that was kept, in the format of another program."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from ..errors import RunError, UsageError
from .exporting import Exporting, Logging
from .options import Repaying, Which
from .output import check_writable
from .settings import Source
from .world import Call

if TYPE_CHECKING:
    from ..sinks import Format

EXAMPLES = """\
latency-lens export --to jsonl
latency-lens export 20240102T030405Z --to json --output result.json"""


def export(
    call: Call, *, which: Which, exporting: Exporting, repaying: Repaying, _logging: Logging
) -> int:
    """Write a run in the format of another program.

    Every number is computed anew from what was captured, and is the one that `report` shows.
    """
    from ..sinks import FORMATS, Exported, export_of
    from ..workload.tokenizer import load_tokenizer

    if exporting.to is None:
        raise UsageError(f"--to is missing: give {', '.join(FORMATS)}")
    form, path = FORMATS[exporting.to], exporting.output
    if path == "-":
        _check_printed(exporting.to, form, call.world.out)
    paths = [path, *(path.removesuffix(form.ending) + ending for ending in form.parts)]
    check_writable(*paths)
    write = export_of(exporting.to)
    tokenizer = load_tokenizer(exporting.tokenizer) if exporting.tokenizer else None
    found = call.world.load(
        which.run,
        tokenizer=tokenizer,
        prices=repaying.prices,
        reprice=call.chosen["prices"].source is Source.COMMAND_LINE,
    )
    exported = Exported(found.run.file.context, found.records, exporting.keep_text)
    with _files(paths, call.world.out, private=exporting.keep_text) as files:
        write(exported, *files)
    return 0


def _check_printed(name: str, form: Format, out: TextIO) -> None:
    if form.parts:
        raise UsageError(f"{name} is {len(form.parts) + 1} files: name the first with --output")
    if form.binary and out.isatty():
        raise UsageError(f"{name} is not text: name a file with --output, or use a pipe")


@contextmanager
def _files(paths: Sequence[str], out: TextIO, *, private: bool) -> Iterator[list[BinaryIO]]:
    """The files to be written; they take the place of older ones when all are complete."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(_printed(out) if path == "-" else _file(path, private=private))
            for path in paths
        ]


@contextmanager
def _file(path: str, *, private: bool) -> Iterator[BinaryIO]:
    """A file that appears when it is complete. Raises `RunError` when the disk does not take it."""
    target = Path(os.path.realpath(path))
    # What is no file, such as a pipe or a device, cannot be replaced.
    fresh = not target.exists() or target.is_file()
    aside = target.with_name(f".{target.name}.part") if fresh else target

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600 if private else 0o666)

    try:
        with open(aside, "wb", opener=opener) as file:
            yield file
        if fresh:
            aside.replace(target)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from None
    finally:
        if fresh:
            aside.unlink(missing_ok=True)


@contextmanager
def _printed(out: TextIO) -> Iterator[BinaryIO]:
    """The bytes under a stream of text; a stream that has none is given the text at the end."""
    if hasattr(out, "buffer"):
        yield out.buffer
        return
    gathered = io.BytesIO()
    yield gathered
    out.write(gathered.getvalue().decode())


VERB = export
