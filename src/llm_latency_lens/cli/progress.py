"""How a run stands, on standard error: a display in place on a terminal, now and then a line
elsewhere. Every redraw costs CPU that the capture needs, so that there are few, and cheap ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

from ..report.figures import milliseconds, seconds, short
from ..report.page import Page

if TYPE_CHECKING:
    from ..engine.plan import Progress

_REDRAW_S = 0.45
_LINE_S = 5.0
_BAR = 24
_UP_AND_CLEAR = "\r\x1b[1A\x1b[2K"


class Display:
    """Shows a run while it lasts: call it with each `Progress`, and `close` it at the end."""

    def __init__(self, err: TextIO, *, color: bool = True) -> None:
        self._err = err
        self._page = Page(err, color=color)
        self._terminal = self._page.terminal
        self._shown = 0
        self._next_s = 0.0 if self._terminal else _LINE_S
        self._warming = False
        self._draining = False

    def __call__(self, now: Progress) -> None:
        if now.draining and not self._draining:
            self._draining = True
            self.close()
            self._page.line(
                ("Stopping: running requests may still end; Ctrl-C again cuts them off.", "yellow")
            )
        if now.warming != self._warming:
            # The clock of the run starts anew after the warm-up.
            self._warming = now.warming
            self._next_s = 0.0 if self._terminal else _LINE_S
        if now.elapsed_s < self._next_s:
            return
        self._next_s = now.elapsed_s + (_REDRAW_S if self._terminal else _LINE_S)
        if self._terminal:
            self._redraw(now)
        else:
            head = "warming up, " if now.warming else ""
            self._page.line(f"{head}{seconds(now.elapsed_s)}: {'; '.join(_told(now))}")

    def close(self) -> None:
        """Take the display off the screen; nothing else is left of it."""
        if self._shown:
            self._err.write(_UP_AND_CLEAR * self._shown)
            self._err.flush()
        self._shown = 0

    def _redraw(self, now: Progress) -> None:
        self.close()
        lines = [
            self._bar(now),
            "  ".join(_told(now)),
            *([_errors(now.errors)] if now.errors else []),
        ]
        styles = ("cyan", "", "red")
        for line, style in zip(lines, styles, strict=False):
            self._page.line((self._page.plain(line)[: self._page.width - 1], style))
        self._shown = len(lines)

    def _bar(self, now: Progress) -> str:
        done = now.ok + now.failed + now.cancelled
        if now.warming:
            return f"warming up   {seconds(now.elapsed_s)}"
        share = share_of(now, done)
        left = "" if now.remaining_s is None else f"   {seconds(now.remaining_s)} left"
        if share is None:
            return f"{done:,} answered   {seconds(now.elapsed_s)}{left}"
        full = round(share * _BAR)
        of = "" if now.planned is None else f"   {done:,} of {now.planned:,}"
        bar = "█" * full + "─" * (_BAR - full)
        return f"{bar} {share:4.0%}{of}   {seconds(now.elapsed_s)}{left}"


def share_of(now: Progress, done: int) -> float | None:
    """How much of the run is done; None where nobody knows."""
    if now.planned:
        return min(1.0, done / now.planned)
    if now.remaining_s is None or not now.elapsed_s:
        return None
    return min(1.0, now.elapsed_s / (now.elapsed_s + now.remaining_s))


def _told(now: Progress) -> Iterator[str]:
    offered = "" if now.offered_rate is None else f" of {short(now.offered_rate)}"
    yield f"{short(now.rate)}{offered}/s"
    yield f"{now.in_flight:,} in flight"
    live = now.live
    if (ttft := live.ttft_ms(0.5)) is not None:
        yield f"TTFT p50 {milliseconds(ttft)}"
    if (middle := live.itl_ms(0.5)) is not None and (tail := live.itl_ms(0.99)) is not None:
        yield f"ITL p50 {milliseconds(middle)} p99 {milliseconds(tail)}"
    if now.failed:
        yield f"{now.failed:,} failed"
    if now.held_until_s is not None:
        yield f"held back until {seconds(now.held_until_s)} by a rate limit"


def _errors(errors: Mapping[str, int]) -> str:
    causes = sorted(errors.items(), key=lambda cause: -cause[1])
    return "errors: " + ", ".join(f"{kind} {number:,}" for kind, number in causes)
