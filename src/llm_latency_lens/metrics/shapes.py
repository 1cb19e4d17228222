"""Columns in, shapes out: what a chart draws, in so few points that a browser takes it at once.

However many requests there were, a shape has at most some hundreds of points. Times are
milliseconds, moments seconds after the first start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .columns import UNKNOWN
from .intervals import Floats
from .stalls import FACTOR, FLOOR_MS
from .traces import REQUEST, Traces

Ints = npt.NDArray[np.int64]

STEPS = 240
BINS = 40
MOMENTS = 60
A_MOMENT = 24
"""Answers that a slice of the run has on average, where there are enough for four slices."""
FEWEST_FOR_P95 = 20
"""Answers that a slice must have; of fewer the 95th percentile is the slowest."""
DOTS = 400
MARKS = 300
PLACES = 48
LEVELS = 24
_LOPSIDED = 8.0
"""From here on, longest (but for one in a thousand) over median, an axis is logarithmic."""
_CHUNK = 1 << 20


class Axis(NamedTuple):
    """What an axis of times spans, in milliseconds."""

    low: float
    high: float
    log: bool


class Moment(NamedTuple):
    """A slice of the run: from when until when, how many answers started in it, and quantiles of
    their TTFT (of whole answers where nothing was streamed). None where they are too few."""

    from_s: float
    to_s: float
    answers: int
    p50_ms: float
    p95_ms: float | None


class Mark(NamedTuple):
    """Something that happened at a moment: `what` is a cause, or empty for a stall of `ms`."""

    at_s: float
    what: str
    ms: float


class Cell(NamedTuple):
    """One cell of the map of gaps: the share of the gaps at places `from_event` to `to_event` of
    their answers that took between `low_ms` and `high_ms`."""

    from_event: int
    to_event: int
    low_ms: float
    high_ms: float
    share: float


class Spread(NamedTuple):
    """How values are spread over an axis: the share of all in each of `BINS` bins."""

    axis: Axis
    shares: list[float]


@dataclass(frozen=True, slots=True)
class OverTime:
    """How the run went. `dots` are single answers (moment, milliseconds), all of them or as many as
    can be told apart; of more failures and stalls than `MARKS`, evenly drawn ones are marked."""

    moments: list[Moment]
    dots: list[tuple[float, float]]
    failures: list[Mark]
    stalls: list[Mark]
    failed: int
    stalled: int


class Shapes:
    """The shapes of one run."""

    def __init__(self, traces: Traces) -> None:
        table = np.frombuffer(traces.requests, np.int64).reshape(-1, len(REQUEST))
        table = table[np.argsort(table[:, REQUEST.index("start_ns")], kind="stable")]
        self._columns = {name: table[:, i] for i, name in enumerate(REQUEST)}
        self._causes = traces.causes
        # Gaps lie in the order in which the records came.
        came = np.frombuffer(traces.requests, np.int64).reshape(-1, len(REQUEST))
        self._came = came[came[:, REQUEST.index("cause")] == 0]
        self._gaps_ns = np.frombuffer(traces.gaps_ns, np.int64)
        started = self._columns["start_ns"][self._columns["start_ns"] != UNKNOWN]
        self._origin_ns = int(started.min()) if len(started) else 0

    def ttft_ms(self) -> Floats:
        """Sorted; of answers that were streamed."""
        return self._sorted("ttft_ns")

    def e2e_ms(self) -> Floats:
        """Sorted."""
        return self._sorted("e2e_ns")

    def itl_ms(self) -> Floats:
        """Sorted."""
        return np.sort(self._gaps_ns) / 1e6

    def requests(self, most: int) -> tuple[dict[str, Ints], list[str]]:
        """Columns of `REQUEST` in the order of the starts, of at most `most` requests evenly drawn;
        and the causes that `cause` counts."""
        total = len(self._columns["index"])
        chosen = _evenly(total, most)
        return {name: column[chosen] for name, column in self._columns.items()}, self._causes

    @property
    def origin_ns(self) -> int:
        """When the first request started."""
        return self._origin_ns

    @property
    def count(self) -> int:
        """All requests."""
        return len(self._columns["index"])

    def over_time(self) -> OverTime:
        """Latency from the beginning of the run to its end."""
        columns = self._columns
        ok = (columns["cause"] == 0) & (columns["start_ns"] != UNKNOWN)
        name = "ttft_ns" if (columns["ttft_ns"][ok] != UNKNOWN).any() else "e2e_ns"
        ok &= columns[name] != UNKNOWN
        at_s = self._seconds(columns["start_ns"][ok])
        values = columns[name][ok] / 1e6
        failures = self._failures()
        stalls = self._stalls()
        return OverTime(
            moments=_moments(at_s, values),
            dots=_pairs(at_s, values, DOTS),
            failures=_thinned(failures),
            stalls=_thinned(stalls),
            failed=len(failures),
            stalled=len(stalls),
        )

    def gap_map(self, axis: Axis) -> list[Cell]:
        """Where in the answers gaps of which length were, between the ends of a logarithmic
        axis: what lies beyond is counted at its ends."""
        sizes = self._sizes()
        if not len(sizes):
            return []
        longest = int(sizes.max())
        wide = -(-longest // PLACES)
        edges = np.geomspace(axis.low, axis.high, LEVELS + 1)
        counts = np.zeros((-(-longest // wide), LEVELS), np.int64)
        for gaps_ns, places in _placed(self._gaps_ns, sizes):
            level = np.searchsorted(edges[1:-1] * 1e6, gaps_ns, side="right")
            flat = (places // wide) * LEVELS + level
            counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
        totals = counts.sum(axis=1)
        return [
            Cell(
                int(column) * wide + 1,
                min((int(column) + 1) * wide, longest),
                float(edges[level]),
                float(edges[level + 1]),
                float(counts[column, level] / totals[column]),
            )
            for column, level in zip(*np.nonzero(counts), strict=True)
        ]

    def _sorted(self, name: str) -> Floats:
        values = self._columns[name][self._columns["cause"] == 0]
        return np.sort(values[values != UNKNOWN]) / 1e6

    def _seconds(self, at_ns: Ints) -> Floats:
        seconds: Floats = (at_ns - self._origin_ns) / 1e9
        return seconds

    def _sizes(self) -> Ints:
        events = self._came[:, REQUEST.index("events")]
        sizes: Ints = np.maximum(events - 1, 0)
        return sizes[sizes > 0]

    def _failures(self) -> list[Mark]:
        columns = self._columns
        bad = (columns["cause"] != 0) & (columns["start_ns"] != UNKNOWN)
        lengths = np.where(columns["e2e_ns"] == UNKNOWN, 0, columns["e2e_ns"])[bad]
        at_s = self._seconds(columns["start_ns"][bad] + lengths)
        return [
            Mark(at, self._causes[cause], length / 1e6)
            for at, cause, length in zip(
                at_s.tolist(), columns["cause"][bad].tolist(), lengths.tolist(), strict=True
            )
        ]

    def _stalls(self) -> list[Mark]:
        """As `stalls.find_stalls` finds them, with the moment at which each was over."""
        has = self._came[:, REQUEST.index("events")] > 1
        came, sizes, found = self._came[has], self._sizes(), []
        if not len(sizes):
            return []
        begins = np.cumsum(sizes) - sizes
        longest = np.maximum.reduceat(self._gaps_ns, begins)
        for i in np.flatnonzero(longest > FLOOR_MS * 1e6):
            _, start_ns, ttft_ns, *_ = (int(value) for value in came[i])
            if UNKNOWN in (start_ns, ttft_ns):  # imported from a tool that does not tell
                continue
            gaps = self._gaps_ns[begins[i] : begins[i] + sizes[i]]
            limit = max(FLOOR_MS * 1e6, FACTOR * float(np.median(gaps)))
            ends = np.cumsum(gaps) + (start_ns + ttft_ns - self._origin_ns)
            long = gaps > limit
            pairs = zip(ends[long].tolist(), gaps[long].tolist(), strict=True)
            found += [Mark(end / 1e9, "", gap / 1e6) for end, gap in pairs]
        return sorted(found)


# --- distributions --------------------------------------------------------------------------


def axis_of(samples: list[Floats]) -> Axis:
    """One axis for sorted samples; logarithmic where one of them has a long tail."""
    known = [values for values in samples if len(values)]
    if not known:
        return Axis(0.0, 1.0, log=False)
    low = min(float(values[0]) for values in known)
    high = max(float(np.quantile(values, 0.999)) for values in known)
    middle = min(float(np.quantile(values, 0.5)) for values in known)
    if middle > 0 and high > _LOPSIDED * middle:
        return log_axis(known)
    room = (high - low) or high or 1.0
    return Axis(max(0.0, low - 0.05 * room), high + 0.02 * room, log=False)


def log_axis(samples: list[Floats]) -> Axis:
    """A logarithmic axis for sorted samples: from a hundredth of the median, or the least, on."""
    positive = [values[values > 0] for values in samples]
    known = [values for values in positive if len(values)]
    if not known:
        return Axis(0.001, 1.0, log=True)
    middle = min(float(np.quantile(values, 0.5)) for values in known)
    low = max(min(float(values[0]) for values in known), middle / 100)
    high = max(float(values[-1]) for values in known)
    return Axis(low, max(high, low * 1.1), log=True)


def ecdf(ordered: Floats) -> list[tuple[float, float]]:
    """(value, share of values that are at most that), from 0 on; every value where there are few,
    else quantiles that lie closer towards the tail."""
    n = len(ordered)
    if n == 0:
        return []
    if n <= STEPS:
        ranks = np.arange(1, n + 1)
    else:
        body = np.linspace(0.0, 0.9, STEPS // 2)
        tail = 1.0 - np.geomspace(0.1, 1.0 / n, STEPS // 2)
        ranks = np.unique(
            np.ceil(np.concatenate(([1.0 / n], body, tail, [1.0])) * n).astype(np.int64)
        )
        ranks = ranks[ranks > 0]
    values = ordered[ranks - 1]
    return [(float(values[0]), 0.0), *zip(values.tolist(), (ranks / n).tolist(), strict=True)]


def histogram(ordered: Floats, axis: Axis) -> list[tuple[float, float, float]]:
    """(from, to, share of all values); what lies beyond the axis is in its last bins."""
    if not len(ordered):
        return []
    space = np.geomspace if axis.log else np.linspace
    edges = space(axis.low, axis.high, BINS + 1)
    places = np.searchsorted(ordered, edges[1:-1], side="left")
    counts = np.diff(places, prepend=0, append=len(ordered)) / len(ordered)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))


def spread(ordered: Floats) -> Spread | None:
    """The histogram on an axis of its own; None without a value."""
    if not len(ordered):
        return None
    axis = axis_of([ordered])
    return Spread(axis, [share for *_, share in histogram(ordered, axis)])


# --- helpers --------------------------------------------------------------------------------


def _moments(at_s: Floats, values: Floats) -> list[Moment]:
    if len(at_s) < 2 or at_s[-1] <= at_s[0]:
        return []
    bins = min(MOMENTS, max(len(at_s) // A_MOMENT, min(4, len(at_s) // 8)))
    if bins < 2:  # no line
        return []
    edges = np.linspace(at_s[0], at_s[-1], bins + 1)
    borders = np.searchsorted(at_s, edges[1:-1], side="left")
    parts = np.split(values, borders)
    return [
        Moment(
            float(edges[i]),
            float(edges[i + 1]),
            len(part),
            float(np.quantile(part, 0.5)),
            float(np.quantile(part, 0.95)) if len(part) >= FEWEST_FOR_P95 else None,
        )
        for i, part in enumerate(parts)
        if len(part)
    ]


def _pairs(at_s: Floats, values: Floats, most: int) -> list[tuple[float, float]]:
    chosen = _evenly(len(at_s), most)
    return list(zip(at_s[chosen].tolist(), values[chosen].tolist(), strict=True))


def _thinned(marks: list[Mark]) -> list[Mark]:
    return [marks[i] for i in _evenly(len(marks), MARKS)]


def _evenly(total: int, most: int) -> npt.NDArray[np.intp]:
    if total <= most:
        return np.arange(total)
    return np.unique(np.linspace(0, total - 1, most).astype(np.intp))


def _placed(gaps_ns: Ints, sizes: Ints) -> Iterator[tuple[Ints, Ints]]:
    """The gaps with their places in their answers, from 0 on, some answers at a time."""
    ends = np.cumsum(sizes)
    cuts = np.searchsorted(ends, np.arange(_CHUNK, ends[-1], _CHUNK), side="left")
    begin = 0
    for some in np.split(sizes, np.unique(cuts)):
        if len(some):
            firsts = np.cumsum(some) - some
            places = np.arange(int(some.sum())) - np.repeat(firsts, some)
            yield gaps_ns[begin : begin + len(places)], places
            begin += len(places)
