"""Sentences for people."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from ...decide.anomalies import Unlike
from ...decide.burning import Burning
from ...decide.shifts import Shift
from ...report.figures import count, percent, seconds, short
from .incident import Incident

NAMES = {"ttft_ms": "TTFT", "tpot_ms": "time per token"}
"""Figures, as they are called."""


def clock(unix_s: float, now_unix_s: float) -> str:
    """`14:20 UTC`, with the date where it is another day's."""
    then, now = (datetime.fromtimestamp(at, UTC) for at in (unix_s, now_unix_s))
    return then.strftime("%H:%M UTC" if then.date() == now.date() else "%-d %b %H:%M UTC")


def down(name: str, failures: int, since: str, why: str) -> str:
    return f"{name}: down since {since}: {failures:,} probes in a row failed ({why})"


def burning(name: str, objective: str, found: Burning, left: float) -> str:
    spent = f"{percent(left)} of it is left" if left > 0 else "nothing of it is left"
    counts = found.counts
    return (
        f"{name}: {objective} burns its error budget {short(found.long)} times as fast as allowed"
        f" ({counts.missed:,} of {counts.total:,} missed in {length(found.long_s)}; {spent})"
    )


def changed(name: str, figure: str, found: Shift, now_unix_s: float) -> str:
    return (
        f"{name}: {NAMES[figure]} p50 is {pace(found.slower)} since"
        f" {clock(found.since_s, now_unix_s)}"
        f" ({short(found.before)} -> {short(found.after)} ms, {count(found.answers, 'probe')})"
    )


def unlike(name: str, figure: str, found: Unlike, when: str) -> str:
    return (
        f"{name}: {NAMES[figure]} p50 was {pace(found.slower)} in the hour from {when} than in the"
        f" same hour of the last {found.days} days"
        f" ({short(found.usual)} -> {short(found.value)} ms)"
    )


def cost(name: str, spent: Decimal) -> str:
    return (
        f"{name}: asked no more until 00:00 UTC: {spent:.4f} dollars are spent today, and one more"
        " probe could pass the limit"
    )


def pace(slower: float) -> str:
    """`35 % slower`, `20 % faster`."""
    return f"{abs(100 * slower):.0f} % {'slower' if slower > 0 else 'faster'}"


def length(span_s: float) -> str:
    """A window's length, in whole units where it has them."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if span_s >= size and span_s % size == 0:
            return f"{span_s / size:.0f} {unit}"
    return seconds(span_s)


def told(incident: Incident) -> str:
    """An incident in one line, over or not."""
    if incident.resolved_unix_s is None:
        return incident.sentence
    lasted = seconds(max(0.0, incident.resolved_unix_s - incident.since_unix_s))
    why = f": {incident.ending}" if incident.ending else ""
    return f"resolved after {lasted}{why} | {incident.sentence}"
