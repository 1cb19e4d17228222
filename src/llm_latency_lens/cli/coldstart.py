"""`latency-lens coldstart`: where a cold start comes from, and when it comes back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import RunError
from ..report.figures import seconds
from ..report.page import Page
from .benchmark import causes
from .options import Keeping, Outputs, Paying, Screen, Target, Way
from .output import check_writable, prints_table, tell_lost, write_result
from .target import make_lens, read_prompts
from .trials import Cooling
from .world import Call, World

if TYPE_CHECKING:
    from ..experiments.coldstart import Outlook, Standing
    from ..lens import Lens
    from ..metrics.coldstart import Coldstart
    from ..record import Record
    from ..request import Prompt

EXAMPLES = """\
latency-lens coldstart openai/gpt-4o-mini
latency-lens coldstart ollama/llama3.2 "Say hello" --idle 0,1m,6m --repeat 8
latency-lens coldstart openai/gpt-4o-mini --idle 0,5m,30m --output cold.json"""

_REDRAW_S = 0.9
_WORTH_A_LINE_S = 10.0
_UP_AND_CLEAR = "\r\x1b[1A\x1b[2K"


def coldstart(
    call: Call,
    *,
    target: Target,
    cooling: Cooling,
    way: Way,
    paying: Paying,
    keeping: Keeping,
    outputs: Outputs,
    screen: Screen,
) -> int:
    """Find where a cold start comes from: connection, model or prompt cache.

    Requests go out on kept and on new connections, after growing gaps, and with prefixes that are
    new or repeated, in random order. It takes --repeat times as long as all gaps of --idle
    together, and says so before it starts. Ctrl-C ends it early and reports.
    """
    world = call.world
    lens = make_lens(world, target, way, keeping, outputs, paying=paying)
    prompt = _prompt(target, world)
    check_writable(outputs.output, outputs.records)
    chosen: dict[str, Any] = {
        "idle_s": cooling.idle,
        "repeat": cooling.repeat,
        "prefix_words": cooling.prefix_words,
        "seed": cooling.seed,
        "max_cost": cooling.max_cost,
    }
    display = None
    if not screen.quiet:
        _announce(lens, prompt, chosen, world)
        display = Display(world.err, color=not screen.no_color)
    try:
        found = lens.coldstart(prompt, name=keeping.name or "", on_standing=display, **chosen)
    finally:
        if display:
            display.close()
    show(found.result, found.records(), outputs, screen, world)
    tell_lost(found.run, world.err)
    if prints_table(outputs.output, outputs.records) and not screen.quiet:
        world.out.write(f"\nRun kept in {found.run_dir}\n")
    return ended(found.result)


def _prompt(target: Target, world: World) -> str | Prompt:
    from ..experiments.coldstart import PROMPT

    if target.prompt is None and target.prompt_file is None:
        return PROMPT
    return read_prompts(target, world)[0]


def _announce(lens: Lens, prompt: str | Prompt, chosen: dict[str, Any], world: World) -> None:
    """How long it will take and what it will cost, before anything is sent."""
    from ..experiments.coldstart import outlook
    from ..experiments.filler import prefixed
    from ..request import Prompt

    found = outlook(lens, **chosen)
    world.err.write(f"{expected(found, chosen['prefix_words'])}\n")
    short = Prompt.of(prompt) if isinstance(prompt, str) else prompt
    asked = [short] * (found.requests - found.prefixed)
    if found.prefixed:
        asked += [prefixed(short, chosen["prefix_words"], "")] * found.prefixed
    estimate = lens.estimate(asked, requests=found.requests)
    if estimate and not estimate.price.is_free:
        world.err.write(f"{estimate.words}\n")


def expected(found: Outlook, words: int) -> str:
    """One line on what is about to happen."""
    idling = f"{seconds(found.waiting_s)} of idling" if found.waiting_s else "no idling"
    long = f", {found.prefixed:,} of them behind {words:,} words" if found.prefixed else ""
    return f"{found.requests:,} requests{long}; {idling}, and the time of the answers."


class Display:
    """Shows how a run stands: in place on a terminal, elsewhere a line before each long gap."""

    def __init__(self, err: TextIO, *, color: bool = True) -> None:
        self._err = err
        self._page = Page(err, color=color)
        self._terminal = self._page.terminal
        self._shown = False
        self._told = -1
        self._left_s = float("inf")

    def __call__(self, now: Standing) -> None:
        if self._terminal:
            # A gap is long: its last seconds matter, and a redraw costs CPU.
            if now.done == self._told and self._left_s - now.due_in_s < _REDRAW_S:
                return
            self.close()
            self._page.line((self._page.plain(told(now))[: self._page.width - 1], "cyan"))
            self._shown = True
        elif now.due_in_s >= _WORTH_A_LINE_S and now.done != self._told:
            self._page.line(told(now))
        else:
            return
        self._told, self._left_s = now.done, now.due_in_s

    def close(self) -> None:
        """Take the display off the screen; nothing else is left of it."""
        if self._shown:
            self._err.write(_UP_AND_CLEAR)
            self._err.flush()
        self._shown = False


def told(now: Standing) -> str:
    """How a run stands, in one line."""
    rest = f"; {seconds(now.waiting_s)} of idling left" if now.waiting_s else ""
    if not now.due_in_s:
        return f"{now.done:,} of {now.of:,} requests: {now.arm}{rest}"
    due = seconds(now.due_in_s)
    return f"{now.done:,} of {now.of:,} requests; the next ({now.arm}) in {due}{rest}"


def show(
    found: Coldstart, records: Iterable[Record], outputs: Outputs, screen: Screen, world: World
) -> None:
    """Print and write what was found."""
    from .. import report
    from ..metrics.coldstart import encode

    write_result(
        found, records, outputs, screen, world, draw=report.coldstart, encoded=encode(found)
    )


def ended(found: Coldstart) -> int:
    """The exit code. Raises `RunError` where nothing was answered."""
    if found.run.interrupted:
        return 130
    if found.run.stopped_early:
        raise RunError(f"the run ended early: {found.run.stopped_early}")
    if not any(arm.requests.ok for arm in found.arms):
        raise RunError(f"no request succeeded: {causes(found.arms[0].requests)}")
    return 0


VERB = coldstart
