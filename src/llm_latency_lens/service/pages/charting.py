"""What the charts draw, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..history import HEAT_RATIO
from .spans import Span

if TYPE_CHECKING:
    from ..alerts import Incident, Note
    from ..history import Bin

LEVELS = ("p50", "p90", "p95", "p99")
_HEATS = {"ttft_ms": "ttft_histogram", "itl_ms": "itl_histogram"}
_DIGITS = 4


def placed(span: Span, bins: Sequence[Bin]) -> list[Bin | None]:
    """One for each step of the span, None where there was no probe."""
    found = {round(one.at_unix_s): one for one in bins}
    return [found.get(round(place)) for place in span.places]


def columns(steps: Sequence[Bin | None], figures: Sequence[str]) -> dict[str, Any]:
    """Each level of each figure, and what failed, in percent."""
    found: dict[str, Any] = {
        figure: {level: [_level(one, figure, level) for one in steps] for level in LEVELS}
        for figure in figures
    }
    found["failed"] = {
        "share": [
            None if one is None or not one.count else 100 * one.failed / one.count for one in steps
        ]
    }
    return found


def of_target(
    span: Span,
    steps: Sequence[Bin | None],
    days: Mapping[str, Any],
    incidents: Sequence[Incident],
    notes: Sequence[Note],
) -> dict[str, Any]:
    """Everything that is drawn of one target."""
    return {
        "at": span.places,
        "step": span.step_s,
        "until": span.until_unix_s,
        "count": [0 if one is None else one.count for one in steps],
        "failed": [0 if one is None else one.failed for one in steps],
        "figures": columns(steps, tuple(_HEATS)),
        "heat": {figure: _heat(steps, name) for figure, name in _HEATS.items()},
        "incidents": [{"from": one.since_unix_s, "to": one.resolved_unix_s} for one in incidents],
        "notes": [{"at": one.at_unix_s, "told": one.text} for one in notes],
        "days": days,
    }


def of_targets(span: Span, each: Mapping[str, Sequence[Bin | None]], figure: str) -> dict[str, Any]:
    """Several targets on the same axes."""
    return {
        "at": span.places,
        "step": span.step_s,
        "until": span.until_unix_s,
        "targets": [
            {"name": name, "figures": columns(steps, (figure,))} for name, steps in each.items()
        ],
    }


def _level(one: Bin | None, figure: str, level: str) -> float | None:
    found = getattr(one, figure) if one is not None else None
    return None if found is None else _rounded(getattr(found, level))


def _heat(steps: Sequence[Bin | None], name: str) -> dict[str, Any]:
    counts = [
        None if one is None else [(_rounded(upper), count) for upper, count in getattr(one, name)]
        for one in steps
    ]
    return {"ratio": HEAT_RATIO, "counts": counts}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
