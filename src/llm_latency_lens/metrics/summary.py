"""The Metrics Collector: records in, one result out.

Figures are of measured requests that succeeded at their first attempt. They are put in the order
of their starts before anything is reckoned, so that the result does not depend on the order in
which records come, and a run read again gives the same numbers to the last digit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from ..record import Record, Status
from .columns import ANSWER, FIGURES, ROW, Columns
from .context import ClockSource, Context, measured_by
from .facts import Facts
from .figures import of_figures, of_itl
from .intervals import Floats
from .load import Load, lateness, measure_load, trend
from .objectives import COST, parse_objective
from .result import (
    SCHEMA,
    Clock,
    ErrorExample,
    Goodput,
    HeldBack,
    Instrument,
    Metrics,
    Requests,
    Result,
    Retries,
    Run,
    Summary,
    Throughput,
    Tokens,
    Validity,
    Where,
)
from .stalls import find_pseudo_streaming, find_stalls
from .validity import judge

Ints = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXAMPLES = 5


class Summarizer:
    """Takes records one by one and sums them up; no record is kept."""

    __slots__ = ("_columns",)

    def __init__(self) -> None:
        self._columns = Columns()

    def add(self, record: Record) -> None:
        """Take one record, in any order."""
        self._columns.add(record)

    def result(self, context: Context) -> Result:
        """Sum up what was added so far; more may be added afterwards."""
        columns = self._columns
        sample = _Sample.of(columns, context)
        result = _unjudged(columns, context, sample)
        facts = Facts(
            result=result,
            context=context,
            load=sample.load,
            lengths=columns.lengths,
            unknown_tokens=columns.tokens["output"].unknown,
            trend=trend(_first_seen(sample.figures)),
        )
        return msgspec.structs.replace(result, validity=judge(facts))


@dataclass(slots=True)
class _Sample:
    """The columns as arrays."""

    answers: dict[str, Ints]
    order: npt.NDArray[np.intp]
    """Puts the answers in the order of their starts."""
    figures: Floats
    """In that order."""
    gaps_ns: Ints
    load: Load

    @classmethod
    def of(cls, columns: Columns, context: Context) -> _Sample:
        answers = _table(columns.answers, ANSWER)
        order = np.lexsort((answers["index"], answers["start_ns"]))
        figures = np.array(columns.figures).reshape(-1, len(FIGURES))[order]
        load = measure_load(_table(columns.rows, ROW), context)
        return cls(answers, order, figures, np.frombuffer(columns.gaps_ns, np.int64), load)


def _unjudged(columns: Columns, context: Context, sample: _Sample) -> Result:
    sizes = np.maximum(sample.answers["events"] - 1, 0)
    begins = (np.cumsum(sizes) - sizes)[sizes > 0]
    stalls = find_stalls(sample.gaps_ns, begins)
    pseudo_streaming = find_pseudo_streaming(sample.answers, sample.gaps_ns)
    summaries = of_figures(sample.figures, open_loop=context.mode == "open")
    itl = of_itl(sample.gaps_ns, begins, _order_of(sizes > 0, sample.order))
    if itl is not None:
        summaries["itl_ms"] = itl
    clock, requests, tokens = (
        _clock(columns, context),
        _requests(columns, context),
        _tokens(columns),
    )
    return Result(
        schema=SCHEMA,
        run=_run(context, clock, sample.load),
        config=dict(context.config),
        requests=requests,
        retries=_retries(columns),
        where=_where(columns, summaries),
        metrics=Metrics(**summaries),
        error_rate=_ratio(requests.failed, requests.ok + requests.failed),
        throughput=_throughput(context, sample.load, requests, tokens),
        goodput=_goodput(context, sample, requests, columns.cost.of_answers),
        tokens=tokens,
        cost=columns.cost.result(),
        stalls=stalls,
        pseudo_streaming=pseudo_streaming,
        instrument=_instrument(columns, context, clock, sample),
        validity=Validity(verdict="valid", reasons=[]),
    )


def _table(rows: Any, names: tuple[str, ...]) -> dict[str, Ints]:
    table = np.frombuffer(rows, np.int64).reshape(-1, len(names))
    return {name: table[:, i] for i, name in enumerate(names)}


def _order_of(kept: npt.NDArray[np.bool_], order: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The order among the kept answers alone, as indices into them."""
    place = np.cumsum(kept) - 1
    return place[order[kept[order]]]


def _first_seen(figures: Floats) -> Floats:
    """TTFT in the order of the starts, or the whole answer's time where nothing was streamed."""
    names = list(FIGURES)
    for name in ("ttft_ms", "e2e_ms"):
        values = figures[:, names.index(name)]
        values = values[~np.isnan(values)]
        if len(values):
            break
    return values


def _run(context: Context, clock: Clock, load: Load) -> Run:
    started_at = _EPOCH + timedelta(microseconds=context.started_at_unix_ns // 1000)
    return Run(
        id=context.id,
        name=context.name,
        started_at=started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=load.window_s,
        tool_version=context.tool_version,
        mode=context.mode,
        seed=context.seed,
        interrupted=context.interrupted,
        stopped_early=context.stopped_early,
        host=dict(context.host),
        clock=clock,
        sinks=list(context.sinks) or UNSET,
        measured_by=measured_by(context) or UNSET,
    )


def _clock(columns: Columns, context: Context) -> Clock:
    kernel, user = columns.sources["kernel"], columns.sources["user"]
    source: ClockSource
    if kernel or user:
        source = "user" if not kernel else "mixed" if user else "kernel"
    else:
        source = context.health.clock_source if context.health else "user"
    return Clock(
        source=source,
        kernel_requests=kernel,
        user_requests=user,
        resolution_ns=context.clock.get("resolution_ns"),
        offset_uncertainty_ns=context.clock.get("offset_uncertainty_ns"),
    )


def _requests(columns: Columns, context: Context) -> Requests:
    statuses = columns.statuses
    examples = sorted(columns.errors.items(), key=lambda item: (-item[1], str(item[0])))
    return Requests(
        planned=context.planned,
        sent=statuses.total(),
        ok=statuses[Status.OK],
        failed=statuses[Status.FAILED],
        cancelled=statuses[Status.CANCELLED],
        unsent=context.unsent,
        warmup=columns.warmup,
        errors=_counts((error.kind, n) for error, n in columns.errors.items()),
        errors_by_stage=_counts((error.stage, n) for error, n in columns.errors.items()),
        error_examples=[
            ErrorExample(
                count=n,
                kind=error.kind.value,
                stage=error.stage.value,
                http_status=error.http_status,
                provider_code=error.provider_code,
                message=error.message,
            )
            for error, n in examples[:_EXAMPLES]
        ],
        rate_limits=columns.rate_limits.result(),
        held_back=HeldBack(count=context.held_back, total_s=context.held_back_s),
    )


def _counts(pairs: Iterable[tuple[StrEnum, int]]) -> dict[str, int]:
    """Counts by name, the most frequent first."""
    counts: Counter[str] = Counter()
    for name, n in pairs:
        counts[name.value] += n
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _retries(columns: Columns) -> Retries:
    return Retries(
        sent=columns.retries.total(),
        ok=columns.retries[Status.OK],
        failed=columns.retries[Status.FAILED],
        cancelled=columns.retries[Status.CANCELLED],
        recovered=len(columns.recovered),
        stale_connections=columns.stale_connections,
    )


def _tokens(columns: Columns) -> Tokens:
    sources = [name for name, n in columns.token_sources.items() if n]
    source: Any = sources[0] if len(sources) == 1 else "mixed" if sources else "none"
    return Tokens(source=source, **{name: kind.total for name, kind in columns.tokens.items()})


def _ratio(part: float | None, whole: float) -> float | None:
    return part / whole if part is not None and whole else None


def _where(columns: Columns, summaries: dict[str, Summary]) -> Where | UnsetType:
    """Takes the summaries of server and network out: they are no metrics of their own."""
    server, network = summaries.pop("server_ms", None), summaries.pop("network_ms", UNSET)
    if server is None:
        return UNSET
    alone = len(columns.accounts) == 1
    source, until = next(iter(columns.accounts)) if alone else ("mixed", "mixed")
    return Where(
        requests=columns.accounts.total(),
        server_source=source,
        server_until=cast("Any", until),
        server_ms=server,
        network_ms=network,
    )


def _throughput(context: Context, load: Load, requests: Requests, tokens: Tokens) -> Throughput:
    window_s = load.window_s
    total = None if tokens.input is None or tokens.output is None else tokens.input + tokens.output
    if tokens.output is None and tokens.source == "usage":  # embeddings: all that there is was read
        total = tokens.input
    offered = context.offered_rate if context.mode == "open" else None
    return Throughput(
        requests_per_second=_ratio(requests.ok, window_s),
        output_tokens_per_second=_ratio(tokens.output, window_s),
        total_tokens_per_second=_ratio(total, window_s),
        offered_rate=UNSET if offered is None else offered,
        achieved_rate=UNSET if load.achieved_rate is None else load.achieved_rate,
    )


def _goodput(
    context: Context, sample: _Sample, requests: Requests, costs: Sequence[Decimal | None]
) -> Goodput | UnsetType:
    if not context.objectives:
        return UNSET
    names = list(FIGURES)
    limits = [parse_objective(text) for text in context.objectives]
    rows = zip(sample.figures, (costs[place] for place in sample.order), strict=True)
    met = sum(
        all(
            limit.met(cost if limit.metric == COST else row[names.index(limit.metric)])
            for limit in limits
        )
        for row, cost in rows
    )
    return Goodput(
        objectives=list(context.objectives),
        met=met,
        share=_ratio(met, requests.ok + requests.failed),
        requests_per_second=_ratio(met, sample.load.window_s),
    )


def _instrument(columns: Columns, context: Context, clock: Clock, sample: _Sample) -> Instrument:
    lag_us = sample.figures[:, list(FIGURES).index("read_lag_us")]
    return Instrument(
        events=int(sample.answers["events"].sum()),
        late_events=columns.late_events,
        merged_events=int(sample.answers["merged"].sum()),
        coalesced_events=columns.coalesced_events,
        clock_source=clock.source,
        clock_step_ms=_largest_step_ms(columns, context),
        read_lag_us=lateness(lag_us[~np.isnan(lag_us)]) or UNSET,
        tool_lag_ms=sample.load.tool_lag_ms or UNSET,
        certificate=UNSET if context.certificate is None else dict(context.certificate),
        **_vitals(context, columns.all_events),
    )


def _largest_step_ms(columns: Columns, context: Context) -> float:
    seen = (columns.clock_step_ns / 1e6, context.health.clock_step_ms if context.health else 0.0)
    return max(seen, key=abs)


def _vitals(context: Context, events: int) -> dict[str, Any]:
    """What the process knew of itself; nothing when the run was killed."""
    health = context.health
    if health is None:
        return {}
    vitals: dict[str, Any] = {
        "capture_s": health.capture_s,
        "cpu_s": health.cpu_s,
        "loop_stall_ms_max": health.loop_stall_ms_max,
        "loop_stalls": health.loop_stalls,
        "suspended_s": health.suspended_s,
        "reads": health.reads,
        "spool_bytes": health.spool_bytes,
        "gc_disabled": health.gc_disabled,
        "progress_decode_ms": health.progress_decode_ms,
    }
    if health.run_delay_s is not None:
        vitals["run_delay_s"] = health.run_delay_s
    if events:
        vitals["cpu_us_per_event"] = health.cpu_s * 1e6 / events
    return vitals
