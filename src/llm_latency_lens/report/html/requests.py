"""Single requests to look at: where the time of a typical one and of the slowest went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...metrics.result import Result
from ...metrics.traces import Traces
from ...record import Record
from ..figures import milliseconds
from ..waterfall import Phase, heading, phases, request_facts
from . import specs
from .charts import Chart
from .drawing import Spec

_MOST_TICKS = 300
_COLORS = {
    "dns": "var(--s4)",
    "connect": "var(--s4)",
    "tls": "var(--s4)",
    "send": "var(--muted)",
    "wait": "var(--s1)",
    "reasoning": "var(--s5)",
}
_OTHERWISE = "var(--s2)"
_NS_A_MS = 1e6


@dataclass(frozen=True, slots=True)
class Look:
    """One request: which it is, what happened in words, the chart, and what else is known."""

    title: str
    told: str
    spec: Spec
    facts: list[tuple[str, str]]
    text: str

    @property
    def chart(self) -> Chart:
        """The drawing as one that stands for itself."""
        return Chart(self.title, self.told, f"{self.title}: {self.told}", self.spec)


def looks(traces: Traces, result: Result, *, keep_text: bool) -> Iterator[Look]:
    """The typical and the slowest answer; one where they are the same."""
    typical, slowest = traces.typical(), traces.slowest
    named = {"A typical request": typical, "The slowest request": slowest}
    if typical is slowest:
        named.pop("A typical request")
    for title, record in named.items():
        if record is not None and (found := look(title, record, result, keep_text=keep_text)):
            yield found


def look(title: str, record: Record, result: Result, *, keep_text: bool = False) -> Look | None:
    """One request; None where it has no marks, as what was imported from another tool."""
    drawn = list(phases(record))
    return _look(title, record, drawn, result, keep_text) if drawn else None


def _look(title: str, record: Record, drawn: list[Phase], result: Result, keep_text: bool) -> Look:
    rows = [
        {
            "name": name,
            "from": first / _NS_A_MS,
            "to": last / _NS_A_MS,
            "time": milliseconds((last - first) / _NS_A_MS),
            "color": _COLORS.get(name, _OTHERWISE),
        }
        for name, first, last in drawn
    ]
    begin, end = drawn[0][1] / _NS_A_MS, drawn[-1][2] / _NS_A_MS
    return Look(
        title=title,
        told=f"Request {record.index:,}: {heading(record)}",
        spec=specs.waterfall(rows, _ticks(record), begin, end),
        facts=list(request_facts(record, result)),
        text="".join(record.events.text) if keep_text else "",
    )


def _ticks(record: Record) -> list[float]:
    start, at_ns = record.start_ns, record.events.at_ns
    if start is None or len(at_ns) < 2 or record.events.partial:
        return []
    step = -(-len(at_ns) // _MOST_TICKS)
    return [(at - start) / _NS_A_MS for at in at_ns[::step]]
