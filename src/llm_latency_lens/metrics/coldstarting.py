"""Records of a cold-start experiment in, where the cold start comes from out.

Every arm is asked once in every block, so that the n-th requests of two arms are a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np
from msgspec import UNSET, UnsetType, structs

from ..record import Record, Status
from .coldstart import (
    COLD,
    PRIME,
    REPEATED,
    RESUMED,
    SCHEMA,
    UNIQUE,
    WARM,
    Arm,
    Caching,
    Coldstart,
    Connecting,
    Design,
    Idling,
    Part,
    Source,
    idle_arm,
)
from .coldstart_words import sentence
from .comparing import CONFIDENCE, difference_of
from .comparison import Difference
from .context import Context
from .paired import compare
from .summary import Summarizer

Figure = Callable[[Record], float | None]
_OptionalDifference = Difference | UnsetType


def _ttft(record: Record) -> float | None:
    return record.ttft_ns


def _cold_ttft(record: Record) -> float | None:
    return record.cold_ttft_ns


def _setup(record: Record) -> float | None:
    return record.connection_ns


@dataclass(slots=True)
class _Arm:
    """The records of one arm; they are few."""

    name: str
    idle_s: float = 0.0
    records: list[Record] = field(default_factory=list)

    def answers(self) -> list[Record | None]:
        """Block by block; None where there was no answer."""
        ordered = sorted(self.records, key=lambda record: record.index)
        return [record if record.status is Status.OK else None for record in ordered]


def coldstart_of(records: Iterable[Record], context: Context) -> Coldstart:
    """What a run's records say of cold starts; `context.config` says what was asked for."""
    design = _design(context)
    whole = Summarizer()
    arms = {arm.name: arm for arm in _arms(design, context)}
    for record in records:
        whole.add(record)
        if record.arm is not None and record.arm != PRIME:
            arms[record.arm].records.append(record)
    result = whole.result(context)
    connection = _connecting(arms, design)
    model = [_idling(arms, gap, design) for gap in design.idle_s if gap]
    cache = _caching(arms, design) if UNIQUE in arms else UNSET
    parts = _parts(connection, model, cache)
    without, first = _bounds(model)
    return Coldstart(
        schema=SCHEMA,
        run=result.run,
        config=dict(context.config),
        design=design,
        arms=[_summed(arm, context) for arm in arms.values()],
        connection=connection,
        model=model,
        prompt_cache=cache,
        parts=parts,
        total_ms=sum(part.ms for part in parts) if parts else None,
        longest_idle_without_s=without,
        first_idle_with_s=first,
        sentence=sentence(_answered(design, arms), parts, connection, model, cache),
        cost=result.cost,
        instrument=result.instrument,
    )


def _answered(design: Design, arms: Mapping[str, _Arm]) -> Design:
    """The design as far as it was carried out: as often as every kind was answered."""
    answered = (len(arm.records) - arm.answers().count(None) for arm in arms.values())
    return structs.replace(design, repeat=min(design.repeat, *answered))


def _design(context: Context) -> Design:
    config = context.config
    return Design(
        repeat=config["repeat"],
        idle_s=list(config["idle_s"]),
        prefix_words=config["prefix_words"],
        seed=context.seed,
        confidence=CONFIDENCE,
    )


def _arms(design: Design, context: Context) -> Iterator[_Arm]:
    yield _Arm(WARM)
    for gap in design.idle_s:
        yield _Arm(idle_arm(gap), gap)
        if not gap and context.config["resumes"]:
            yield _Arm(RESUMED)
    if design.prefix_words:
        yield _Arm(UNIQUE)
        yield _Arm(REPEATED)


def _summed(arm: _Arm, context: Context) -> Arm:
    summarizer = Summarizer()
    for record in arm.records:
        summarizer.add(record)
    found = summarizer.result(replace(context, planned=context.config["repeat"]))
    new = "resumed" if arm.name == RESUMED else "new"
    kept = arm.name in (WARM, UNIQUE, REPEATED)
    return Arm(
        name=arm.name,
        connection="kept" if kept else new,  # type: ignore[arg-type]
        idle_s=arm.idle_s,
        prefix=arm.name if arm.name in (UNIQUE, REPEATED) else "none",  # type: ignore[arg-type]
        requests=found.requests,
        metrics=found.metrics,
        tokens=found.tokens,
        setup_ms=_median_setup_ms(arm),
        tls_resumed=sum(bool(record.connection.tls_resumed) for record in arm.records),
        hints_ms=_hints(answer for answer in arm.answers() if answer),
        validity=found.validity,
    )


def _median_setup_ms(arm: _Arm) -> float | None:
    spans = [answer.connection_ns for answer in arm.answers() if answer]
    known = [span for span in spans if span is not None]
    return median(known) / 1e6 if known else None


def _hints(answers: Iterable[Record]) -> dict[str, float]:
    told: dict[str, list[float]] = {}
    for record in answers:
        for name, value in record.hints_ms.items():
            told.setdefault(name, []).append(value)
    return {name: median(values) for name, values in told.items()}


# -- differences ------------------------------------------------------------------------------


def _apart(
    one: _Arm, other: _Arm, figures: tuple[Figure, Figure], *, alpha: float, seed: int
) -> _OptionalDifference:
    """Medians of two arms in milliseconds, over the blocks in which both have the figure."""
    found = []
    for a, b in zip(one.answers(), other.answers(), strict=False):
        values = (a and figures[0](a), b and figures[1](b))
        if values[0] is not None and values[1] is not None:
            found.append(values)
    if not found:
        return UNSET
    table = np.array(found, dtype=np.float64) / 1e6
    return difference_of(compare(table[:, 0], table[:, 1], "median", alpha, seed))


def _connecting(arms: dict[str, _Arm], design: Design) -> Connecting:
    alpha, seed = 1.0 - CONFIDENCE, design.seed
    cold, warm = arms[COLD], arms[WARM]
    resumed = arms.get(RESUMED)
    return Connecting(
        cost_ms=_apart(cold, warm, (_cold_ttft, _ttft), alpha=alpha, seed=seed),
        ttft_ms=_apart(cold, warm, (_ttft, _ttft), alpha=alpha, seed=seed),
        resumption_ms=UNSET
        if resumed is None
        else _apart(cold, resumed, (_setup, _setup), alpha=alpha, seed=seed),
    )


def _idling(arms: dict[str, _Arm], gap: float, design: Design) -> Idling:
    alpha = (1.0 - CONFIDENCE) / (len(design.idle_s) - 1)
    idle, none = arms[idle_arm(gap)], arms[COLD]
    return Idling(
        idle_s=gap, ttft_ms=_apart(idle, none, (_ttft, _ttft), alpha=alpha, seed=design.seed)
    )


def _caching(arms: dict[str, _Arm], design: Design) -> Caching:
    unique, repeated = arms[UNIQUE], arms[REPEATED]
    return Caching(
        unique_cached_tokens=_mean(unique, lambda record: record.usage.cached_input),
        repeated_cached_tokens=_mean(repeated, lambda record: record.usage.cached_input),
        input_tokens=_mean(repeated, lambda record: record.usage.input),
        ttft_ms=_apart(unique, repeated, (_ttft, _ttft), alpha=1.0 - CONFIDENCE, seed=design.seed),
    )


def _mean(arm: _Arm, count: Figure) -> float | None:
    counts = [value for answer in arm.answers() if answer and (value := count(answer)) is not None]
    return sum(counts) / len(counts) if counts else None


# -- what it comes to -------------------------------------------------------------------------


def _parts(connection: Connecting, model: list[Idling], cache: Caching | UnsetType) -> list[Part]:
    """The sources that are sure, the largest first."""
    slower = [idling.ttft_ms for idling in model if _is_slower(idling.ttft_ms)]
    found: dict[Source, _OptionalDifference] = {
        "connection": connection.cost_ms,
        "model": slower[-1] if slower else UNSET,
        "prompt_cache": UNSET if isinstance(cache, UnsetType) else cache.ttft_ms,
    }
    sure = {
        source: difference
        for source, difference in found.items()
        if isinstance(difference, Difference) and _is_slower(difference)
    }
    total = sum(difference.difference for difference in sure.values())
    parts = [
        Part(
            source=source,
            ms=difference.difference,
            ci95=difference.difference_ci95,  # type: ignore[arg-type]
            share=difference.difference / total,
        )
        for source, difference in sure.items()
    ]
    return sorted(parts, key=lambda part: -part.ms)


def _is_slower(found: _OptionalDifference) -> bool:
    return isinstance(found, Difference) and bool(found.distinct) and found.difference > 0


def _bounds(model: list[Idling]) -> tuple[float | None, float | None]:
    """The longest gap up to which no difference is told, and the first for which one is."""
    without = None
    for idling in model:
        if _is_slower(idling.ttft_ms):
            return without, idling.idle_s
        if not isinstance(idling.ttft_ms, Difference) or idling.ttft_ms.distinct is None:
            return without, None
        without = idling.idle_s
    return without, None
