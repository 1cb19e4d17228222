"""A run as it stands, over the whole terminal (`--live`).

Like the small display it is drawn from what the engine tells four times a second, and from nothing
else: between two reads of a stream nothing is added. One drawing costs 2 to 3 ms of CPU.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, ConsoleOptions
from rich.control import Control
from rich.segment import ControlType, Segment

from ..report.figures import count, fixed, milliseconds, places, seconds, short
from ..report.page import harmless
from ..report.strip import Strip, strip
from .progress import share_of

if TYPE_CHECKING:
    from ..engine.plan import Progress

_LEVELS = (0.5, 0.9, 0.95, 0.99)
_LABEL = 12
_VALUE = 11
_KEPT = 400
_SECOND = 0.95
_ERRORS = 8
_FULL, _EMPTY = "━", "─"

Part = tuple[str, str]
"""Words and their style."""


class _Drawing:
    """The lines that have changed, by their row. Parts are handed to rich as they are: taking words
    apart again, as for a text that may wrap, would cost most of the time."""

    def __init__(self, rows: Mapping[int, Sequence[Part]], width: int) -> None:
        self._rows = rows
        self._width = width

    def __rich_console__(self, console: Console, _: ConsoleOptions) -> Iterator[Segment]:
        for row, line in self._rows.items():
            yield Control.move_to(0, row).segment
            room = self._width
            for words, style in line:
                yield Segment(words[:room], console.get_style(style) if style else None)
                room = max(0, room - len(words))
            yield Control((ControlType.ERASE_IN_LINE, 0)).segment


class LiveScreen:
    """Fills the terminal while a run lasts: call it with each `Progress`, and `close` it at the
    end, which gives the terminal back as it was."""

    def __init__(self, err: TextIO, title: str, *, color: bool = True) -> None:
        self._console = Console(
            file=err,
            no_color=None if color else True,
            highlight=False,
            emoji=False,
            markup=False,
        )
        self._title = harmless(title)
        self._rates: deque[float] = deque(maxlen=_KEPT)
        self._before: Progress | None = None
        self._levels: tuple[list[float], list[float]] = ([], [])
        self._levels_at_s = 0.0
        self._size = (0, 0)
        self._shown: list[list[Part]] = []

    def __call__(self, now: Progress) -> None:
        width, height = self._console.size
        if self._size != (width, height):
            self._begin()
            self._size, self._shown = (width, height), [[]] * height
        self._note_rate(now)
        lines = self._drawn(now, width, height)
        changed = {
            row: line
            for row, (line, old) in enumerate(zip(lines, self._shown, strict=True))
            if line != old
        }
        self._shown = lines
        self._console.print(_Drawing(changed, width), end="", crop=False)

    def close(self) -> None:
        """Give the terminal back."""
        if self._console.is_alt_screen:
            self._console.set_alt_screen(False)
            self._console.show_cursor(True)

    def _begin(self) -> None:
        """Take the whole terminal, or clear it when its size has changed."""
        if not self._console.is_alt_screen:
            self._console.set_alt_screen(True)
            self._console.show_cursor(False)
        self._console.clear()

    def _note_rate(self, now: Progress) -> None:
        """Answers of about a second; the clock starts anew after the warm-up."""
        before = self._before
        if before is None or now.elapsed_s < before.elapsed_s:
            self._before = now
        elif now.elapsed_s - before.elapsed_s >= _SECOND:
            done = _done(now) - _done(before)
            self._rates.append(done / (now.elapsed_s - before.elapsed_s))
            self._before = now

    def _drawn(self, now: Progress, width: int, height: int) -> list[list[Part]]:
        """As many lines as the terminal has."""
        lines = [*self._head(now, width), *self._figures(now), *self._strips(now, width)]
        lines += _errors(now, height - len(lines) - 1)
        return (lines + [[]] * height)[:height]

    def _head(self, now: Progress, width: int) -> Iterator[list[Part]]:
        state, style = _state(now)
        room = width - len(state) - 4
        title = self._title if len(self._title) <= room else f"{self._title[: room - 1]}…"
        yield [(f" {title}".ljust(room + 2), "bold"), (f" {state}", style)]
        yield from _bar(now, width)
        yield []

    def _figures(self, now: Progress) -> Iterator[list[Part]]:
        offered = "" if now.offered_rate is None else f" of {short(now.offered_rate)} offered"
        yield [_label("rate"), (f"{short(now.rate)} answers a second{offered}", "bold")]
        failed = (f"{now.failed:,} failed", "bold red" if now.failed else "dim")
        cancelled = (f"   {now.cancelled:,} cancelled", "yellow") if now.cancelled else ("", "")
        yield [
            _label("requests"),
            (f"{now.in_flight:,} in flight   {now.ok:,} ok   ", "bold"),
            failed,
            cancelled,
        ]
        yield []
        ttft, itl = self._quantiles(now)
        titles = "".join(f"p{level * 100:g}".rjust(_VALUE) for level in _LEVELS)
        yield [(" " * _LABEL + titles, "dim"), ("   ms, newest samples", "dim")]
        yield _row("TTFT", ttft)
        yield _row("ITL", itl)

    def _quantiles(self, now: Progress) -> tuple[list[float], list[float]]:
        """Reckoned anew once a second: for them thousands of samples are sorted."""
        if not self._levels[0] or not 0 <= now.elapsed_s - self._levels_at_s < _SECOND:
            self._levels, self._levels_at_s = now.live.levels_ms(_LEVELS), now.elapsed_s
        return self._levels

    def _strips(self, now: Progress, width: int) -> Iterator[list[Part]]:
        room = min(width - _LABEL - 2, _KEPT)
        ttft, itl = now.live.newest_ms(room)
        rates = list(self._rates)[-room:]
        yield []
        yield from _strip("gaps", itl, room, "the newest gaps", milliseconds)
        yield from _strip("TTFT", ttft, room, "the newest answers", milliseconds)
        yield from _strip("rate", rates, room, "answers a second", short)


def _state(now: Progress) -> Part:
    if now.draining:
        return "stopping: running requests may still end; Ctrl-C again cuts them off", "bold yellow"
    if now.held_until_s is not None:
        return f"held back until {seconds(now.held_until_s)} by a rate limit", "bold yellow"
    if now.warming:
        return "warming up", "yellow"
    return "running", "green"


def _bar(now: Progress, width: int) -> Iterator[list[Part]]:
    done = _done(now)
    share = None if now.warming else share_of(now, done)
    of = f"{done:,} of {now.planned:,}" if now.planned and not now.warming else f"{done:,} answered"
    left = f"{seconds(now.remaining_s)} left" if now.remaining_s is not None else ""
    told = "   ".join(filter(None, (of, f"{seconds(now.elapsed_s)} gone", left)))
    if share is None:
        yield [(f" {told}", "cyan")]
        return
    room = max(10, width - len(told) - 12)
    full = round(share * room)
    bar = (f" {_FULL * full}", "cyan"), (_EMPTY * (room - full), "dim")
    yield [*bar, (f" {share:4.0%}   ", "bold"), (told, "cyan")]


def _row(name: str, values: Sequence[float]) -> list[Part]:
    shown = (fixed(value, places(value)) for value in values) if values else "–" * len(_LEVELS)
    return [_label(name), ("".join(value.rjust(_VALUE) for value in shown), "bold")]


def _strip(
    name: str, values: Sequence[float], room: int, what: str, tell: Callable[[float], str]
) -> Iterator[list[Part]]:
    if not any(values) or room < 1:
        yield [_label(name), ("–", "dim")]
        yield []
        return
    drawn = strip(values, room)
    yield [_label(name), *_tinted(drawn)]
    more = " or more" if drawn.over else ""
    yield [(" " * _LABEL + f"{what}; █ is {tell(drawn.top)}{more}", "dim")]


def _tinted(drawn: Strip) -> Iterator[Part]:
    """The strip in as few parts as it has changes of colour."""
    places = enumerate(drawn.columns)
    for over, run in groupby(places, key=lambda column: column[0] in drawn.over):
        yield "".join(char for _, char in run), "red" if over else "green"


def _errors(now: Progress, room: int) -> Iterator[list[Part]]:
    causes = sorted(now.errors.items(), key=lambda cause: -cause[1])
    if not causes or room < 2:
        return
    yield []
    most = min(room - 1, _ERRORS)
    if len(causes) > most:
        most -= 1
    for place, (kind, number) in enumerate(causes[:most]):
        label = _label("errors") if not place else (" " * _LABEL, "")
        yield [label, (f"{number:>7,}  {kind}", "red")]
    if len(causes) > most:
        yield [(" " * _LABEL + f"and {count(len(causes) - most, 'more kind')}", "dim")]


def _label(name: str) -> Part:
    return f" {name}".ljust(_LABEL), "cyan"


def _done(now: Progress) -> int:
    return now.ok + now.failed + now.cancelled
