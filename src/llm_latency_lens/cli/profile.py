"""`latency-lens profile`: one request, drawn."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, TextIO

from ..errors import RunError
from .options import Keeping, Outputs, Paying, Screen, Target, Watching, Way
from .output import check_writable, prints_table, tell_lost, write_records, write_to
from .target import make_lens, read_prompts
from .world import Call, World

if TYPE_CHECKING:
    from ..measured import Profile
    from ..record import EventKind

EXAMPLES = """\
latency-lens profile openai/gpt-4o-mini "Say hello"
latency-lens profile openai/gpt-4o-mini --prompt-file long.txt --show-text
latency-lens profile llama3 "Say hello" --base-url http://localhost:11434/v1
latency-lens profile openai/gpt-4o-mini "Say hello" --output - | jq .ttft_ms"""


def profile(
    call: Call,
    *,
    target: Target,
    watching: Watching,
    way: Way,
    paying: Paying,
    keeping: Keeping,
    outputs: Outputs,
    screen: Screen,
) -> int:
    """Time one request and draw where its time went.

    It goes out on a connection of its own, so that name, connection and TLS are timed too.
    """
    world = call.world
    lens = make_lens(world, target, way, keeping, outputs, paying=paying)
    prompts = read_prompts(target, world)
    check_writable(outputs.output, outputs.records)
    if len(prompts) > 1 and not screen.quiet:
        world.err.write(f"The file holds {len(prompts)} prompts; the first is sent.\n")
    out = world.out if prints_table(outputs.output, outputs.records) else world.err
    teller = Teller(out) if watching.show_text else None
    found = lens.profile(prompts[0], name=keeping.name or "", on_text=teller)
    if teller:
        teller.end()
    tell_lost(found.run, world.err)
    return _show(found, outputs, screen, world)


def _show(found: Profile, outputs: Outputs, screen: Screen, world: World) -> int:
    """Print and write what was found; gives the exit code."""
    from ..record import Status
    from ..report import failure

    if outputs.output is not None:
        text = _json(found)
        write_to(
            outputs.output, world.out, lambda file: file.write(text), private=outputs.keep_text
        )
    write_records([found.record], outputs, world.out)
    if prints_table(outputs.output, outputs.records):
        _draw(found, screen, world)
    if found.record.status is Status.CANCELLED:
        return 130
    if found.record.error is not None:
        raise RunError(f"the request failed: {failure(found.record.error)}")
    return 0


def _draw(found: Profile, screen: Screen, world: World) -> None:
    # numpy loads here, after the capture.
    from ..metrics.summary import Summarizer
    from ..report import waterfall

    summarizer = Summarizer()
    summarizer.add(found.record)
    result = summarizer.result(found.run.file.context)
    waterfall(found.record, result, world.out, color=not screen.no_color)
    if not screen.quiet:
        world.out.write(f"\nRun kept in {found.run_dir}\n")


class Teller:
    """Prints an answer while it comes; a blank line parts reasoning from answer."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._kind: EventKind | None = None

    def __call__(self, kind: EventKind, text: str) -> None:
        if self._kind not in (None, kind):
            self._out.write("\n\n")
        self._kind = kind
        self._out.write("".join(char if _prints(char) else "?" for char in text))
        self._out.flush()

    def end(self) -> None:
        if self._kind is not None:
            self._out.write("\n\n")


def _json(found: Profile) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(found.to_dict()), indent=2).decode() + "\n"


def _prints(char: str) -> bool:
    """No character that steers a terminal: the answer is a stranger's."""
    return char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs")


VERB = profile
