"""A cold-start experiment as one table, and the line that it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from msgspec import UNSET, UnsetType

from ..metrics.coldstart import COLD, RESUMED, UNIQUE, WARM, Arm, Coldstart, span
from ..metrics.comparison import Difference
from .figures import count, fixed, interval, milliseconds, places, seconds, short
from .instrument import instrument
from .page import Page

_LABEL = 19
_COUNT = 4
_VALUE = 10
_CHANGE = 24
_CACHED = 8
_INDENT = 14
_NAMES = {
    WARM: "kept connection",
    COLD: "new connection",
    RESUMED: "session resumed",
    "unique": "new prefix",
    "repeated": "repeated prefix",
}


def coldstart(found: Coldstart, out: TextIO, *, color: bool = True) -> None:
    """Print a cold-start experiment for a person."""
    page = Page(out, color=color)
    _heading(page, found)
    page.line()
    _table(page, found)
    page.line()
    for label, words in _facts(found):
        page.paragraph((label, "cyan"), words, indent=_INDENT)
    page.line()
    page.paragraph(("•", "bold"), found.sentence, indent=2, style="bold")


def _heading(page: Page, found: Coldstart) -> None:
    design = found.design
    gaps = ", ".join(span(gap) for gap in design.idle_s if gap)
    parts = [
        f"{count(design.repeat, 'request')} of each kind in {seconds(found.run.duration_s)}",
        f"idle for {gaps}" if gaps else "without idling",
        f"in random order, seed {design.seed}",
    ]
    if found.run.interrupted:
        parts.append("interrupted")
    config = found.config
    title = found.run.name or f"{config['provider']}/{config['model']}"
    title = title if len(title) <= page.width // 2 else f"{title[: page.width // 2 - 1]}…"
    page.paragraph((title, "bold"), " · ".join(parts), indent=len(title) + 2)


def _table(page: Page, found: Coldstart) -> None:
    wide = page.width >= _LABEL + _COUNT + 2 * _VALUE + _CHANGE + _CACHED
    titles = (
        "  p50, ms".ljust(_LABEL)
        + "n".rjust(_COUNT)
        + "set-up".rjust(_VALUE)
        + "TTFT".rjust(_VALUE)
        + "slower, 95 % ci".rjust(_CHANGE)
        + ("cached".rjust(_CACHED) if wide else "")
    )
    page.line((titles, "dim"))
    for arm in found.arms:
        change, sure = _change(found, arm)
        page.line(
            (f"  {_name(arm)}".ljust(_LABEL), "bold cyan"),
            f"{arm.requests.ok:,}".rjust(_COUNT),
            ("–" if arm.setup_ms is None else _fixed(arm.setup_ms)).rjust(_VALUE),
            (_ttft(arm).rjust(_VALUE), "bold"),
            (change.rjust(_CHANGE), "bold" if sure else "dim"),
            (_cached(arm) if wide else "").rjust(_CACHED),
        )


def arm_name(name: str) -> str:
    """What a reader calls an arm."""
    return _NAMES.get(name) or name


def _name(arm: Arm) -> str:
    return _NAMES.get(arm.name) or f"idle {span(arm.idle_s)}"


def _ttft(arm: Arm) -> str:
    return "–" if arm.metrics.ttft_ms is UNSET else _fixed(arm.metrics.ttft_ms.p50)


def _cached(arm: Arm) -> str:
    cached = arm.tokens.cached_input
    return "–" if cached is None or not arm.requests.ok else short(cached / arm.requests.ok)


def _change(found: Coldstart, arm: Arm) -> tuple[str, bool]:
    """How much slower than what it is held against, and whether that is sure."""
    difference = _differences(found).get(arm.name, UNSET)
    if isinstance(difference, UnsetType):
        return "", False
    sign = -1 if arm.name == RESUMED else 1
    amount = sign * difference.difference
    told = f"{amount:+,.{places(amount)}f}"
    if isinstance(difference.difference_ci95, UnsetType):
        return told, False
    low, high = sorted(sign * bound for bound in difference.difference_ci95)
    sure = interval((low, high), places(amount), _CHANGE - len(told) - 4)
    return f"{told} ({sure})", bool(difference.distinct)


def _differences(found: Coldstart) -> dict[str, Difference | UnsetType]:
    """By arm: a new connection with its set-up against a kept one, and so on."""
    told: dict[str, Difference | UnsetType] = {
        COLD: found.connection.cost_ms,
        RESUMED: found.connection.resumption_ms,
        **{f"idle {one.idle_s:g}s": one.ttft_ms for one in found.model},
    }
    if not isinstance(found.prompt_cache, UnsetType):
        told[UNIQUE] = found.prompt_cache.ttft_ms
    return told


def _facts(found: Coldstart) -> Iterator[tuple[str, str]]:
    for arm in found.arms:
        if failed := arm.requests.failed:
            causes = ", ".join(f"{kind} {n:,}" for kind, n in arm.requests.errors.items())
            yield "failed", f"{count(failed, 'request')} of {_name(arm)}: {causes}"
    for arm in found.arms:
        if arm.name in (COLD, RESUMED) and (told := _phases(arm)):
            yield "set-up", f"{_name(arm)}: {told}"
        if arm.name == RESUMED and arm.tls_resumed < arm.requests.ok:
            yield "resumed", f"{arm.tls_resumed:,} of {arm.requests.ok:,} handshakes only"
    longest = f"idle {max(found.design.idle_s):g}s"
    for arm in found.arms:
        if arm.hints_ms and arm.name in (COLD, longest, UNIQUE):
            told = ", ".join(f"{name} {milliseconds(ms)}" for name, ms in arm.hints_ms.items())
            yield "server says", f"{_name(arm)}: {told}"
    yield "instrument", instrument(found.instrument)


def _phases(arm: Arm) -> str:
    """The medians of setting up a connection, phase by phase."""
    metrics = arm.metrics
    phases = {"name": metrics.dns_ms, "TCP": metrics.connect_ms, "TLS": metrics.tls_ms}
    return ", ".join(
        f"{name} {milliseconds(summary.p50)}"
        for name, summary in phases.items()
        if summary is not UNSET
    )


def _fixed(value: float) -> str:
    return fixed(value, places(value))
