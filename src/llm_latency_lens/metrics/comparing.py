"""Records of several candidates in, one comparison out.

The requests of a block were sent at about the same time and say the same; the block of a request
is its number in the run divided by the number of candidates.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from msgspec import UNSET

from ..record import Record, Status
from .columns import FIGURES, NAN
from .comparison import (
    SCHEMA,
    Candidate,
    Characters,
    Comparison,
    Design,
    Difference,
    Differences,
    Pair,
)
from .comparison_words import notes, sentence
from .context import Context
from .intervals import Floats
from .paired import Gap, Pooled, Statistic, compare, compare_pooled
from .summary import Summarizer

CONFIDENCE = 0.95

_COST = "cost_usd"
_COMPARED: tuple[tuple[str, str, Statistic], ...] = (
    ("ttft_ms_p50", "ttft_ms", "median"),
    ("answer_ms_p50", "answer_ms", "median"),
    ("e2e_ms_p50", "e2e_ms", "median"),
    ("output_tokens_per_second_p50", "output_tokens_per_second", "median"),
    ("characters_per_second_p50", "characters_per_second", "median"),
    ("cost_usd_mean", _COST, "mean"),
)
_FIGURES = {name: FIGURES[name] for _, name, _ in _COMPARED if name != _COST}


@dataclass(slots=True)
class _Arm:
    """What one candidate answered."""

    summarizer: Summarizer = field(default_factory=Summarizer)
    figures: dict[int, dict[str, float]] = field(default_factory=dict)
    """By block, of answers alone."""
    gaps_ns: dict[int, array[int]] = field(default_factory=dict)
    """By block, of answers of more than one event."""
    characters: int = 0
    counted_characters: int = 0
    """Of answers whose tokens were counted; these are `tokens`."""
    tokens: int = 0

    def add(self, record: Record, block: int) -> None:
        self.summarizer.add(record)
        if record.status is not Status.OK or record.attempt or record.warmup:
            return
        found = {name: read(record) for name, read in _FIGURES.items()}
        found[_COST] = NAN if record.cost_usd is None else float(record.cost_usd)
        self.figures[block] = found
        if gaps := record.events.gaps_ns():
            self.gaps_ns[block] = array("q", gaps)
        said = sum(record.events.chars)
        self.characters += said
        if tokens := record.streamed_tokens:
            self.tokens += tokens
            self.counted_characters += said


class Comparer:
    """Takes the records of a run one by one; what they say is kept, they themselves are not."""

    def __init__(self, context: Context) -> None:
        """`context.config["arms"]` are the candidates by name, in their order."""
        self._context = context
        self._whole = Summarizer()
        self._arms: dict[str, _Arm] = {name: _Arm() for name in context.config["arms"]}

    def add(self, record: Record) -> None:
        """Take one record, in any order."""
        assert record.arm is not None
        self._whole.add(record)
        self._arms[record.arm].add(record, record.index // len(self._arms))

    def result(self) -> Comparison:
        """What can be said of the candidates."""
        context, whole = self._context, self._whole.result(self._context)
        candidates = [self._candidate(name, arm) for name, arm in self._arms.items()]
        couples = list(combinations(self._arms.items(), 2))
        pairs = [
            _pair(a, b, alpha=(1.0 - CONFIDENCE) / len(couples), seed=(context.seed, number))
            for number, (a, b) in enumerate(couples)
        ]
        design = Design(
            requests=context.config["requests"],
            warmup=context.warmup // len(candidates),
            concurrency=context.concurrency or 1,
            prompts=context.config["prompts"],
            seed=context.seed,
            confidence=CONFIDENCE,
            comparisons=len(pairs),
        )
        return Comparison(
            schema=SCHEMA,
            run=whole.run,
            config=dict(context.config),
            design=design,
            candidates=candidates,
            pairs=pairs,
            notes=list(notes(candidates, design)),
            instrument=whole.instrument,
        )

    def _candidate(self, name: str, arm: _Arm) -> Candidate:
        own: Mapping[str, Any] = {**self._context.config, **self._context.config["arms"][name]}
        planned = replace(self._context, planned=self._context.config["requests"])
        found = arm.summarizer.result(planned)
        known = arm.tokens / arm.counted_characters if arm.counted_characters else None
        return Candidate(
            name=name,
            provider=own["provider"],
            model=own["model"],
            base_url=own["base_url"],
            requests=found.requests,
            error_rate=found.error_rate,
            metrics=found.metrics,
            where=found.where,
            tokens=found.tokens,
            characters=Characters(total=arm.characters, tokens_per_character=known),
            cost=found.cost,
            validity=found.validity,
        )


def _pair(a: tuple[str, _Arm], b: tuple[str, _Arm], *, alpha: float, seed: tuple[int, ...]) -> Pair:
    found: dict[str, Difference] = {}
    for number, (field_name, figure, statistic) in enumerate(_COMPARED):
        of_a, of_b = _paired(a[1], b[1], figure)
        if len(of_a):
            gap = compare(of_a, of_b, statistic, alpha, (*seed, number))
            found[field_name] = difference_of(gap)
    if pools := _pools(a[1], b[1]):
        gap = compare_pooled(*pools, 0.99, alpha, (*seed, len(_COMPARED)))
        found["itl_ms_p99"] = difference_of(gap)
    differences = Differences(**found)
    return Pair(a=a[0], b=b[0], differences=differences, sentence=sentence(a[0], b[0], differences))


def _paired(a: _Arm, b: _Arm, figure: str) -> tuple[Floats, Floats]:
    """The figure in the blocks that both answered and that have it in both answers."""
    both = [
        (a.figures[block][figure], b.figures[block][figure])
        for block in sorted(a.figures.keys() & b.figures.keys())
    ]
    values = np.array(both, dtype=np.float64).reshape(-1, 2)
    values = values[~np.isnan(values).any(axis=1)]
    return values[:, 0], values[:, 1]


def _pools(a: _Arm, b: _Arm) -> tuple[Pooled, Pooled] | None:
    blocks = sorted(a.gaps_ns.keys() & b.gaps_ns.keys())
    return (_pooled(a, blocks), _pooled(b, blocks)) if blocks else None


def _pooled(arm: _Arm, blocks: Sequence[int]) -> Pooled:
    gaps = [np.frombuffer(arm.gaps_ns[block], dtype=np.int64) for block in blocks]
    return Pooled(np.concatenate(gaps) / 1e6, np.array(list(map(len, gaps)), dtype=np.int64))


def difference_of(gap: Gap) -> Difference:
    """As it is written."""
    return Difference(
        pairs=gap.pairs,
        a=gap.a,
        b=gap.b,
        difference=gap.difference,
        ratio=gap.ratio,
        difference_ci95=UNSET if gap.difference_limits is None else gap.difference_limits,
        ratio_ci95=UNSET if gap.ratio_limits is None else gap.ratio_limits,
        ci_method=gap.method,
        distinct=gap.distinct,
    )


def compare_records(records: Iterator[Record], context: Context) -> Comparison:
    """The comparison that a run's records come to."""
    comparer = Comparer(context)
    for record in records:
        comparer.add(record)
    return comparer.result()
