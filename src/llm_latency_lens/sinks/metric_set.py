"""The metrics of Prometheus, fed record by record: the same names for an export and a service.

Latencies are of measured requests that succeeded at their first attempt, as everywhere. Times are
seconds, summed up in whole nanoseconds. Labels that would be empty are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    Timestamp,
)

from ..metrics.context import Context
from ..metrics.stalls import stalls_of
from ..record import Record, Status
from .moments import Moments, trace_id
from .tally import Tally

PREFIX = "latency_lens_"

_FIRST = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
_WHOLE = (
    *(0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
    *(10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0),
)
_GAPS = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0),
)
SETUP = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_Samples = Callable[[Record], Iterable[float]]
Key = tuple[str, ...]
"""Target, provider, model, and the values of a family's own labels."""


def _one(read: Callable[[Record], float | None]) -> _Samples:
    def samples(record: Record) -> Iterable[float]:
        value = read(record)
        return () if value is None else (value,)

    return samples


@dataclass(frozen=True, slots=True)
class Times:
    """One histogram of times; `label` is one of its own, with the value for this sample."""

    name: str
    help: str
    bounds: tuple[float, ...]
    samples: _Samples
    label: tuple[str, str] | None = None


_SET_UP = "Setting up a fresh connection, by phase."

TIMES = (
    Times("ttft", "From the request's start to its first token.", _FIRST,
          _one(lambda r: r.ttft_ns)),
    Times("itl", "Every gap between consecutive content events, pooled.", _GAPS,
          lambda r: r.events.gaps_ns()),
    Times("tpot", "Time per output token after the first, one value a request.", _GAPS,
          _one(lambda r: r.tpot_ns)),
    Times("e2e", "From the request's start to its end.", _WHOLE,
          _one(lambda r: r.e2e_ns)),
    Times("ttfb", "From the request's start to the first byte of the response.", _FIRST,
          _one(lambda r: r.ttfb_ns)),
    Times("answer", "From the request's start to the first token that is not reasoning.", _FIRST,
          _one(lambda r: r.answer_ns)),
    Times("corrected_ttft", "From the planned time to the first token (open loop).", _FIRST,
          _one(lambda r: r.corrected_ttft_ns)),
    Times("corrected_e2e", "From the planned time to the end (open loop).", _WHOLE,
          _one(lambda r: r.corrected_e2e_ns)),
    Times("connection", _SET_UP, SETUP, _one(lambda r: r.connection.dns_ns), ("phase", "dns")),
    Times("connection", _SET_UP, SETUP, _one(lambda r: r.connection.connect_ns),
          ("phase", "connect")),
    Times("connection", _SET_UP, SETUP, _one(lambda r: r.connection.tls_ns), ("phase", "tls")),
)  # fmt: skip
"""In the order in which they are told."""

COUNTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "requests": ("Measured requests, first attempts, by how they ended.", ("status",)),
    "errors": ("Failed measured requests by kind and stage.", ("kind", "stage")),
    "retries": ("Attempts after the first, by how they ended.", ("status",)),
    "warmup_requests": ("Requests of the warm-up.", ()),
    "tokens": ("Tokens of answers, by type.", ("type",)),
    "content_events": ("Content events of answers.", ()),
    "merged_events": ("Content events that a late reader merged with the one before.", ()),
    "stalls": ("Gaps that are stalls.", ()),
    "cost_usd": ("What all requests cost, in dollars, as far as it is known.", ()),
    "unpriced_requests": ("Requests of which nobody knows the cost.", ()),
}
"""Counters, with their help and their own labels; `_total` follows each name."""

TOKEN_TYPES = ("input", "output", "reasoning", "cached_input")


class MetricSet:
    """Takes records, gives metric families: a collector for `prometheus_client`, for one thread.

    `target_of` names what a record belongs to where several are told apart (an experiment's arm by
    default). Without a `context` nothing is said of a run. Exemplars name traces; those of a
    `service` the request besides. `times` are the histograms that are kept.
    """

    def __init__(
        self,
        context: Context | None = None,
        target_of: Callable[[Record], str | None] = lambda record: record.arm,
        *,
        times: Sequence[Times] = TIMES,
        service: bool = False,
    ) -> None:
        self._context = context
        self._service = service
        self._target_of = target_of
        self._moments = Moments(context.started_at_unix_ns if context else 0)
        self._times: dict[Times, dict[Key, Tally]] = {one: {} for one in times}
        self._counts: dict[str, dict[Key, int | Decimal]] = {name: {} for name in COUNTS}
        self._targets = False

    def add(self, record: Record) -> None:
        """Take one record; the warm-up's and the retries' are counted as what they are."""
        target = self._target_of(record) or ""
        self._targets = self._targets or bool(target)
        key = (target, record.provider, record.model)
        self._pay(record, key)
        if record.warmup:
            self._count("warmup_requests", key)
        elif record.attempt:
            self._count("retries", (*key, record.status.value))
        else:
            self._add_measured(record, key)

    def _add_measured(self, record: Record, key: Key) -> None:
        self._count("requests", (*key, record.status.value))
        if record.status is Status.OK:
            self._add_answer(record, key)
        elif record.status is Status.FAILED and record.error:
            self._count("errors", (*key, record.error.kind.value, record.error.stage.value))

    def _add_answer(self, record: Record, key: Key) -> None:
        request = record.id if self._service else ""
        run_id = self._context.id if self._context else request
        trace = trace_id(run_id, record) if run_id else ""
        end_ns = self._moments.end(record)
        for times, tallies in self._times.items():
            samples = list(times.samples(record))
            if samples:
                own = key if times.label is None else (*key, times.label[1])
                tally = tallies.get(own)
                if tally is None:
                    tally = tallies[own] = Tally(times.bounds)
                tally.add(samples, trace, end_ns, request)
        for kind in TOKEN_TYPES:
            count = getattr(record.usage, kind)
            if count is not None:
                self._count("tokens", (*key, kind), count)
        self._count("content_events", key, record.events.count or 0)
        self._count("merged_events", key, record.merged_events)
        self._count("stalls", key, len(stalls_of(record.events.gaps_ns())))

    def _pay(self, record: Record, key: Key) -> None:
        if record.cost_usd is None:
            self._count("unpriced_requests", key)
        else:
            self._count("cost_usd", key, record.cost_usd)

    def _count(self, name: str, key: Key, by: int | Decimal = 1) -> None:
        counts = self._counts[name]
        counts[key] = counts.get(key, 0) + by

    # -- out ----------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """The families as they stand; one without a sample is left out."""
        if self._context:
            yield from _of_run(self._context)
        yield from self._histograms()
        for name, (text, labels) in COUNTS.items():
            if counts := self._counts[name]:
                unit = "usd" if name.endswith("_usd") else ""
                family = CounterMetricFamily(
                    PREFIX + name, text, labels=self._labels(labels), unit=unit
                )
                for key, count in counts.items():
                    family.add_metric(self._values(key), float(count))
                yield family

    def tallies(self, times: Times) -> list[tuple[Key, Tally]]:
        """The histograms of one kind as they stand."""
        return list(self._times[times].items())

    def counts(self, name: str) -> list[tuple[Key, int | Decimal]]:
        """The counters of one name as they stand."""
        return list(self._counts[name].items())

    def keep(self, targets: Container[str]) -> None:
        """Forget what is of no target of these."""
        for tallies in self._times.values():
            for key in [key for key in tallies if key[0] not in targets]:
                del tallies[key]
        for counts in self._counts.values():
            for key in [key for key in counts if key[0] not in targets]:
                del counts[key]

    def _histograms(self) -> Iterator[Metric]:
        families: dict[str, HistogramMetricFamily] = {}
        for times, tallies in self._times.items():
            for key, tally in tallies.items():
                family = families.get(times.name)
                if family is None:
                    own = () if times.label is None else (times.label[0],)
                    family = families[times.name] = HistogramMetricFamily(
                        f"{PREFIX}{times.name}_seconds",
                        times.help,
                        labels=self._labels(own),
                        unit="seconds",
                    )
                family.add_metric(self._values(key), _buckets(tally), tally.sum)
        yield from families.values()

    def _labels(self, own: tuple[str, ...]) -> list[str]:
        return [*(["target"] if self._targets else []), "provider", "model", *own]

    def _values(self, key: Key) -> list[str]:
        return list(key if self._targets else key[1:])


def _buckets(tally: Tally) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    rows: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    seen = 0
    for place, bound in enumerate((*map(repr, tally.bounds), "+Inf")):
        seen += tally.counts[place]
        if example := tally.examples.get(place):
            stamp = Timestamp(*divmod(example.unix_ns, 1_000_000_000))
            named = {"trace_id": example.trace_id}
            if example.request_id:
                named["request_id"] = example.request_id
            rows.append((bound, seen, Exemplar(named, example.value, stamp)))
        else:
            rows.append((bound, seen))
    return rows


def _of_run(context: Context) -> Iterator[Metric]:
    told: Mapping[str, str] = {
        "id": context.id,
        "name": context.name,
        "mode": context.mode,
        "version": context.tool_version,
    }
    info = InfoMetricFamily(f"{PREFIX}run", "The run that the metrics are of.")
    info.add_metric([], {name: value for name, value in told.items() if value})
    yield info
    began = GaugeMetricFamily(
        f"{PREFIX}run_start_time_seconds", "When the run began, Unix time.", unit="seconds"
    )
    began.add_metric([], context.started_at_unix_ns / 1e9)
    yield began
