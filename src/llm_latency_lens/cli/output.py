"""Files that a command writes, and what it says after a run."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

from ..errors import RunError, UsageError
from .argv import is_secret
from .options import Load, Outputs, Paying, Screen, Target, Way
from .settings import Choice, Source, settings_of
from .world import Call, World

if TYPE_CHECKING:
    from ..record import Record
    from ..store.runs import Run

T_contra = TypeVar("T_contra", contravariant=True)
Write = Callable[[TextIO], object]


def check_writable(*paths: str | None) -> None:
    """Before a run: could these files be written? Raises `UsageError`."""
    for path in filter(None, paths):
        if path == "-":
            continue
        folder = Path(path).absolute().parent
        if Path(path).is_dir():
            raise UsageError(f"cannot write {path}: it is a directory")
        if not os.access(folder, os.W_OK) or not folder.is_dir():
            raise UsageError(f"cannot write {path}: no writable folder {folder}")


def write_to(path: str, out: TextIO, write: Write, *, private: bool = False) -> None:
    """Write to a file, or to `out` when the path is `-`. A private file is the user's alone.

    Raises `RunError` when the disk does not take it.
    """
    if path == "-":
        write(out)
        return

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600 if private else 0o666)

    try:
        with open(path, "w", encoding="utf-8", newline="\n", opener=opener) as file:
            write(file)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from None


def write_records(records: Iterable[Record], outputs: Outputs, out: TextIO) -> None:
    """`--records`: one JSON line for each request."""
    from ..metrics import lines

    if outputs.records is None:
        return

    def write(file: TextIO) -> None:
        for record in records:
            line = lines.encode(lines.to_line(record, keep_text=outputs.keep_text))
            file.write(line.decode() + "\n")

    write_to(outputs.records, out, write, private=outputs.keep_text)


class Draw(Protocol[T_contra]):
    """Shows a result to people: a function of `report`."""

    def __call__(self, found: T_contra, out: TextIO, /, *, color: bool) -> None: ...


def write_result(
    found: T_contra,
    records: Iterable[Record],
    outputs: Outputs,
    screen: Screen,
    world: World,
    *,
    draw: Draw[T_contra],
    encoded: bytes,
) -> None:
    """Write a result (`encoded` is its JSON) and its requests to where they are wanted, and draw it
    where standard output is free."""
    from ..report import document

    if outputs.output is not None:
        write_to(outputs.output, world.out, lambda file: document(encoded, file))
    write_records(records, outputs, world.out)
    if prints_table(outputs.output, outputs.records):
        draw(found, world.out, color=not screen.no_color)


def tell_lost(run: Run, err: TextIO) -> None:
    """Say of each sink that did not take everything how much it did not, and why."""
    context = run.file.context
    for sink in context.sinks:
        if sink.lost:
            total = sink.sent + sink.lost
            print(
                f"latency-lens: warning: {sink.url} did not take {sink.lost:,} of {total:,}"
                f" requests: {sink.error}",
                file=err,
            )


def prints_table(*paths: str | None) -> bool:
    """Whether standard output is free for people: nothing else is printed there."""
    return "-" not in paths


def command_again(call: Call, *, keep_text: bool) -> str:
    """The command that does the same again. It holds no key, and no prompt unless it is kept."""
    words = ["latency-lens", call.verb]
    model = call.chosen["model"]
    words.append(shlex.quote(str(model.value)))
    for group in (Target, Load, Way, Paying):
        for item in settings_of(group):
            choice = call.chosen.get(item.name)
            if choice and choice.source is not Source.DEFAULT and item.name != "model":
                words += _flags(choice, keep_text)
    return " ".join(words)


def _flags(choice: Choice, keep_text: bool) -> Iterator[str]:
    from ..engine.host import public_url

    item, value = choice.setting, choice.value
    if isinstance(value, bool):
        if value != item.default:
            yield item.flag if value else f"--no-{item.flag[2:]}"
    elif item.name == "prompt" and not keep_text:
        yield '--prompt "$PROMPT"'
    elif item.name == "api_key" and value != "none":
        return
    elif item.name == "header":
        for name, content in value:
            shown = f"{name}: {content}"
            if is_secret(name):
                yield f'--header "{name}: ${name.upper().replace("-", "_")}"'
            else:
                yield f"--header {shlex.quote(shown)}"
    elif isinstance(value, dict):
        yield f"{item.flag} {shlex.quote(json.dumps(value, ensure_ascii=False))}"
    elif item.name in ("base_url", "proxy"):
        yield f"{item.flag} {shlex.quote(public_url(value))}"
    else:
        yield f"{item.flag} {shlex.quote(str(choice.raw))}"
