"""Metrics as text, for Prometheus and as OpenMetrics, a piece at a time.

`prometheus_client` takes a quarter of a second for two hundred targets, in which no probe could
start. Here the lines of one histogram are one template, which is filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate

from ..sinks.metric_set import COUNTS, PREFIX, Key, MetricSet, Times
from ..sinks.tally import Tally
from .families import FAMILIES, Values

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_AT_ONCE = 20
"""Histograms, or fifty times as many other lines, that are rendered in one go: some 0.3 ms, or 1 ms
when they are new."""


class Exposition:
    """Renders in one of the two forms. `own` are further labels by the names of targets."""

    def __init__(self, *, openmetrics: bool) -> None:
        self.content_type = OPEN if openmetrics else PLAIN
        self._open = openmetrics
        self._own: Mapping[str, Mapping[str, str]] = {}
        self._labels: dict[tuple[str, ...], str] = {}
        self._templates: dict[tuple[str, Key], str] = {}

    def label(self, own: Mapping[str, Mapping[str, str]]) -> None:
        """Take over further labels."""
        self._own = own
        self._labels.clear()
        self._templates.clear()

    def histograms(self, metrics: MetricSet, times: Iterable[Times]) -> Iterator[str]:
        """Families of times, in pieces."""
        before = ""
        for one in times:
            found = metrics.tallies(one)
            if found and one.name != before:
                before = one.name
                yield self._head(f"{one.name}_seconds", "histogram", one.help, "seconds")
            for start in range(0, len(found), _AT_ONCE):
                some = found[start : start + _AT_ONCE]
                yield "".join(self._histogram(one, key, tally) for key, tally in some)

    def counters(self, metrics: MetricSet) -> Iterator[str]:
        """Families of counts, in pieces."""
        for name, (text, labels) in COUNTS.items():
            if found := metrics.counts(name):
                unit = "usd" if name.endswith("_usd") else ""
                yield self._head(name, "counter", text, unit)
                for start in range(0, len(found), 50 * _AT_ONCE):
                    yield "".join(
                        f"{PREFIX}{name}_total{{{self._named(key, labels)}}} {_number(count)}\n"
                        for key, count in found[start : start + 50 * _AT_ONCE]
                    )

    def single(self, name: str, text: str, tally: Tally) -> str:
        """A histogram without labels."""
        head = self._head(f"{name}_seconds", "histogram", text, "seconds")
        return head + self._filled(_template(f"{name}_seconds", "", tally.bounds), tally)

    def family(self, name: str, values: Values, targets: Mapping[str, Key]) -> str:
        """What somebody told; of targets that are not among `targets` nothing."""
        family = FAMILIES[name]
        ending = {"counter": "_total", "info": "_info", "gauge": ""}[family.kind]
        lines = []
        for labels, number in values:
            own = labels
            if family.of_target:
                if (key := targets.get(labels[0])) is None:
                    continue
                own = (*key, *labels[1:])
                text = self._named(own, family.labels)
            else:
                text = ",".join(map(_label, family.labels, own))
            shown = f"{{{text}}}" if text else ""
            lines.append(f"{PREFIX}{name}{ending}{shown} {_number(number)}\n")
        if not lines:
            return ""
        return self._head(name, family.kind, family.help, family.unit) + "".join(lines)

    def end(self) -> str:
        return "# EOF\n" if self._open else ""

    def _head(self, name: str, kind: str, text: str, unit: str) -> str:
        full = PREFIX + name
        if not self._open:
            full += {"counter": "_total", "info": "_info"}.get(kind, "")
            kind = "gauge" if kind == "info" else kind
            return f"# HELP {full} {_help(text)}\n# TYPE {full} {kind}\n"
        told = f"# UNIT {full} {unit}\n" if unit and full.endswith(unit) else ""
        return f"# HELP {full} {_help(text)}\n# TYPE {full} {kind}\n{told}"

    def _named(self, key: tuple[str, ...], own: tuple[str, ...]) -> str:
        """Labels of a target and values of a family's own."""
        shared = self._labels.get(key[:3])
        if shared is None:
            further = self._own.get(key[0], {}).items()
            pairs = [*zip(("target", "provider", "model"), key, strict=False), *further]
            shared = ",".join(_label(*pair) for pair in pairs if pair[1])
            self._labels[key[:3]] = shared
        if not own:
            return shared
        return ",".join((shared, *map(_label, own, key[3:])))

    def _histogram(self, times: Times, key: Key, tally: Tally) -> str:
        template = self._templates.get((times.name, key))
        if template is None:
            own = () if times.label is None else (times.label[0],)
            template = _template(f"{times.name}_seconds", self._named(key, own), tally.bounds)
            self._templates[times.name, key] = template
        return self._filled(template, tally)

    def _filled(self, template: str, tally: Tally) -> str:
        seen = accumulate(tally.counts)
        if not (self._open and tally.examples):
            return template % (*map(str, seen), tally.count, tally.sum)
        marked = (f"{count}{_exemplar(tally, place)}" for place, count in enumerate(seen))
        return template % (*marked, tally.count, tally.sum)


def _template(name: str, labels: str, bounds: tuple[float, ...]) -> str:
    """The lines of a histogram: a text for each bucket, then the count and the sum."""
    full, shown = PREFIX + name, labels.replace("%", "%%")
    before = f"{shown}," if shown else ""
    lines = [f'{full}_bucket{{{before}le="{bound!r}"}} %s\n' for bound in bounds]
    lines.append(f'{full}_bucket{{{before}le="+Inf"}} %s\n')
    around = f"{{{shown}}}" if shown else ""
    return "".join((*lines, f"{full}_count{around} %d\n{full}_sum{around} %r\n"))


def _exemplar(tally: Tally, place: int) -> str:
    if (example := tally.examples.get(place)) is None:
        return ""
    named = ",".join(
        _label(name, text)
        for name, text in (("trace_id", example.trace_id), ("request_id", example.request_id))
        if text
    )
    return f" # {{{named}}} {example.value!r} {example.unix_ns / 1e9:.3f}"


def _number(number: float | Decimal) -> str:
    if isinstance(number, int):
        return str(int(number))
    return repr(float(number)).replace("inf", "Inf").replace("nan", "NaN")


@lru_cache(4096)
def _label(name: str, text: str) -> str:
    shown = text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'{name}="{shown}"'


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
