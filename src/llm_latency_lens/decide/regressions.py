"""Is this run worse than the baseline? One answer for each figure, right together.

Three answers: worse, not worse, not enough data. "Worse" is a statement with an error of at most
alpha over all figures that are tested (Holm's correction). "Not worse" is said only where a change
of the allowed size (10 %, or one percentage point of a share, where none is allowed) would have
been found with 90 % probability; else the answer is "not enough data", and how many requests would
be enough, or could tell how many are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from math import ceil, isfinite
from typing import Literal

import msgspec
import numpy as np

from ..errors import UsageError
from ..metrics.intervals import FEWEST_CORRELATED, LEVELS, Floats
from . import questions
from .questions import Gaps, Question
from .sample import KEPT, Sample, value

Answer = Literal["worse", "not worse", "not enough data"]
Number = float | Decimal
Limits = tuple[float | None, float | None] | None

ALPHA = 0.05
USUAL = ("ttft_ms.p95", "itl_ms.p99", "e2e_ms.p50", "error_rate", "cost.per_request")
"""What is tested where nothing is named, as far as both runs have it."""
RATE, COST = "error_rate", "cost.per_request"

_HIGHER = frozenset({"output_tokens_per_second", "characters_per_second"})
"""More is better."""
_NEITHER = frozenset({"tokens_per_event"})
_STATISTICS = (*LEVELS, "mean")
_FIGURES = tuple(name for name in ("itl_ms", *KEPT) if name not in _NEITHER)
COMPARABLE = (*(f"{name}.{of}" for name in _FIGURES for of in _STATISTICS), RATE, COST)

_HALVINGS = 24
_ERRORS, _PILOT_ERRORS = 3.0, 1.0
"""Standard errors by which the memory is taken for longer than seen: short runs see too little of
it. A pilot that turns out too short names the next; a size called enough is believed."""
_OTHER_CHANGE = 0.10
_OTHER_POINTS = 0.01
"""What should be found where no change is allowed: a share of the figure, points of a rate."""
_GRAMMAR = re.compile(
    r"\s*(?P<metric>[a-z0-9_.]+)\s*"
    r"(?::\s*(?P<margin>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>%|us|ms|s|m)\s*)?"
)
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True, slots=True)
class Allowed:
    """How much worse a figure may be: by a share of the baseline's, by milliseconds, or, of the
    error rate, by so many points."""

    metric: str
    share: float = 0.0
    ms: float = 0.0
    points: float = 0.0

    def __str__(self) -> str:
        if self.ms:
            return f"{self.ms:g} ms"
        if self.metric == RATE:
            return _points(self.points)
        return f"{100 * self.share:g} %"


def _points(share: float) -> str:
    return f"{100 * share:g} {'point' if share == _OTHER_POINTS else 'points'}"


def parse_metric(text: str) -> str:
    """The name of a figure that can be tested. Raises UsageError."""
    name = text.strip().removeprefix("metrics.")
    if name in COMPARABLE:
        return name
    near = get_close_matches(name, COMPARABLE, n=3, cutoff=0.4)
    if name in _FIGURES:
        near = [f"{name}.{of}" for of in ("p50", "p95", "p99", "mean")]
    hint = f": did you mean {' or '.join(near)}?" if near else ": such as ttft_ms.p95"
    raise UsageError(f"{name!r} is no figure that can be tested{hint}")


def parse_allowed(text: str) -> Allowed:
    """`itl_ms.p99:10%`, `ttft_ms.p95:50ms`; of the error rate, `error_rate:1%` is one point."""
    found = _GRAMMAR.fullmatch(text)
    if found is None or found["margin"] is None:
        raise UsageError(
            f"{text!r} is no allowed regression: write a figure and how much, itl_ms.p99:10%"
        )
    metric, amount = parse_metric(found["metric"]), float(found["margin"])
    if found["unit"] != "%":
        if not metric.split(".")[0].endswith("_ms"):
            raise UsageError(f"{text!r}: {metric} is no time: allow it a share, {metric}:10%")
        return Allowed(metric, ms=amount * _MS[found["unit"]])
    if metric == RATE:
        return Allowed(metric, points=amount / 100.0)
    if metric.split(".")[0] in _HIGHER and amount >= 100.0:
        raise UsageError(f"{text!r}: {metric} cannot fall by {amount:g} %")
    return Allowed(metric, share=amount / 100.0)


class Answered(msgspec.Struct, kw_only=True, frozen=True):
    """The answer for one figure.

    `change` is the run's over the baseline's, less 1; of the error rate the difference of both.
    `change_limits` are a lower and an upper limit of the true change; each is right for all
    figures at once with probability 1 - alpha. `requests` are how many of each the figure is made
    of, `worth` how many independent ones (of gaps: gaps) they count for. `p_value` is corrected
    for the number of figures. `finds` is the change, beyond what is allowed, that `enough` requests
    in each run would find. Where the requests are too few to name that number, there is `pilot`
    instead: so many in each run could.
    """

    metric: str
    answer: Answer
    baseline: Number | None
    run: Number | None
    change: float | None
    change_limits: Limits
    allowed: str
    p_value: float | None
    baseline_requests: int
    run_requests: int
    baseline_worth: float | None
    run_worth: float | None
    finds: str | None
    enough: int | None
    pilot: int | None
    note: str | None


@dataclass(slots=True)
class _Asked:
    """One figure under test; `question` is None where a run lacks it, and `note` says why."""

    allowed: Allowed
    sizes: tuple[int, int]
    question: Question | None
    note: str | None = None
    values: tuple[Number, Number] | None = None

    @property
    def metric(self) -> str:
        return self.allowed.metric

    @property
    def sign(self) -> int:
        return -1 if self.metric.split(".")[0] in _HIGHER else 1

    @property
    def margin(self) -> tuple[float, float]:
        """Factor and shift of the baseline's figure that are still allowed."""
        allowed = self.allowed
        return 1.0 + self.sign * allowed.share, self.sign * allowed.ms + allowed.points

    def p_value(self) -> float:
        """Of "not worse than allowed"; 1 where nothing can be said."""
        question = self.question
        if question is None or not question.trusted:
            return 1.0
        return (question.larger if self.sign > 0 else question.smaller)(*self.margin)


def answers(
    baseline: Sample,
    run: Sample,
    metrics: Sequence[str] = (),
    allowed: Sequence[Allowed] = (),
    alpha: float = ALPHA,
) -> list[Answered]:
    """The answer for each figure: those named, those that are allowed something, and without any
    name the usual ones besides."""
    margins = {one.metric: one for one in allowed}
    named = [*metrics, *(name for name in margins if name not in metrics)]
    if not metrics:
        named = [*USUAL, *(name for name in margins if name not in USUAL)]
    asked = [_ask(baseline, run, margins.get(name) or Allowed(name)) for name in named]
    if not metrics:
        asked = [one for one in asked if one.question or one.metric in margins]
    corrected = holm([one.p_value() for one in asked if one.question])
    left = iter(corrected)
    count = max(1, len(corrected))
    return [_answer(one, next(left) if one.question else None, alpha, count) for one in asked]


def p_values(baseline: Sample, run: Sample, figures: Sequence[Allowed]) -> list[float]:
    """Of each figure being no worse than it is allowed to be, not corrected for their number."""
    return [_ask(baseline, run, one).p_value() for one in figures]


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number: at most alpha of all sets have one below alpha by
    chance."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, least = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = least
    return corrected


# --- asking ---------------------------------------------------------------------------------


def _ask(a: Sample, b: Sample, allowed: Allowed) -> _Asked:
    metric = allowed.metric
    if metric == RATE:
        return _made(allowed, a.failed.astype(float), b.failed.astype(float), questions.of_share)
    if metric == COST:
        return _ask_cost(a, b, allowed)
    name, of = metric.split(".")
    if name == "itl_ms":
        return _ask_gaps(a, b, allowed, of)
    values = _present(a, name), _present(b, name)
    if of == "mean":
        return _made(allowed, *values, questions.of_mean)
    return _made(allowed, *values, lambda x, y: questions.of_quantile(x, y, LEVELS[of]))


def _present(sample: Sample, name: str) -> Floats:
    found = value(sample.figures.get(name, np.zeros(0, np.uint16)))
    return found[~np.isnan(found)]


def _ask_gaps(a: Sample, b: Sample, allowed: Allowed, of: str) -> _Asked:
    gaps_a, gaps_b = _gaps(a), _gaps(b)
    sizes = len(gaps_a.sizes), len(gaps_b.sizes)
    if note := _lacking(allowed.metric, sizes):
        return _Asked(allowed, sizes, None, note)
    if of == "mean":
        return _Asked(allowed, sizes, questions.gaps_mean(gaps_a, gaps_b))
    return _Asked(allowed, sizes, questions.gaps_quantile(gaps_a, gaps_b, LEVELS[of]))


def _gaps(sample: Sample) -> Gaps:
    sizes = sample.sizes[sample.sizes > 0]
    return Gaps(value(sample.gaps), sizes, value(np.sort(sample.gaps)))


def _ask_cost(a: Sample, b: Sample, allowed: Allowed) -> _Asked:
    """The mean is a decimal; the test needs no more than a float."""
    known = [[cost for cost in one.costs if cost is not None] for one in (a, b)]
    of_a, of_b = (np.array(one, np.float64) for one in known)
    asked = _made(allowed, of_a, of_b, questions.of_mean)
    if asked.question:
        mean_a, mean_b = (sum(one, Decimal(0)) / len(one) for one in known)
        asked.values = mean_a, mean_b
    return asked


def _made(
    allowed: Allowed, a: Floats, b: Floats, question: Callable[[Floats, Floats], Question]
) -> _Asked:
    sizes = len(a), len(b)
    note = _lacking(allowed.metric, sizes)
    return _Asked(allowed, sizes, None if note else question(a, b), note)


def _lacking(metric: str, sizes: tuple[int, int]) -> str | None:
    for which, size in zip(("the baseline", "the run"), sizes, strict=True):
        if not size:
            return f"{which} has no {metric}"
    for which, size in zip(("the baseline", "the run"), sizes, strict=True):
        if size < questions.FEWEST:
            return f"{which} has {size} requests: a test needs {questions.FEWEST} at least"
    return None


# --- answering ------------------------------------------------------------------------------


def _answer(asked: _Asked, p_value: float | None, alpha: float, count: int) -> Answered:
    question = asked.question
    if question is None or p_value is None:
        return _unanswered(asked)
    needed, finds = _enough(asked, question, alpha / count)
    worth = question.worth
    has = 2.0 / (1.0 / worth[0] + 1.0 / worth[1])
    limits = _limits(asked, question, alpha / count)
    answer: Answer = "worse"
    if p_value > alpha:
        sure = question.trusted and (has >= needed or _excluded(asked, limits))
        answer = "not worse" if sure else "not enough data"
    enough, pilot = _wanted(asked, question, needed)
    a, b = asked.values or (question.a, question.b)
    return Answered(
        metric=asked.metric,
        answer=answer,
        baseline=a,
        run=b,
        change=_change(asked.metric, float(a), float(b)),
        change_limits=limits,
        allowed=str(asked.allowed),
        p_value=p_value,
        baseline_requests=asked.sizes[0],
        run_requests=asked.sizes[1],
        baseline_worth=worth[0],
        run_worth=worth[1],
        finds=finds,
        enough=enough,
        pilot=pilot,
        note=None if question.trusted else _FORGETFUL,
    )


_FORGETFUL = "requests resemble their neighbours for so long that the run is too short to judge"


def _unanswered(asked: _Asked) -> Answered:
    return Answered(
        metric=asked.metric,
        answer="not enough data",
        baseline=None,
        run=None,
        change=None,
        change_limits=None,
        allowed=str(asked.allowed),
        p_value=None,
        baseline_requests=asked.sizes[0],
        run_requests=asked.sizes[1],
        baseline_worth=None,
        run_worth=None,
        finds=None,
        enough=None,
        pilot=None,
        note=asked.note,
    )


def _change(metric: str, a: float, b: float) -> float | None:
    if metric == RATE:
        return b - a
    return b / a - 1.0 if a else None


def _enough(asked: _Asked, question: Question, alpha: float) -> tuple[float, str]:
    """Independent observations needed, and in words what they find."""
    allowed = asked.allowed
    if asked.metric == RATE:
        points = allowed.points or _OTHER_POINTS
        return question.enough(points, alpha), _points(points)
    if allowed.ms:
        return question.enough(allowed.ms, alpha), f"{allowed.ms:g} ms"
    share = allowed.share or _OTHER_CHANGE
    factor, _ = asked.margin
    return question.enough(asked.sign * share * question.a * factor, alpha), f"{100 * share:g} %"


def _wanted(asked: _Asked, question: Question, needed: float) -> tuple[int | None, int | None]:
    """Requests that are enough; or, where these are too few to say how many are, those of a pilot
    that could; neither where no number would do.

    A tail remembers longer than the middle, and only what lies in it shows for how long. So what is
    asked of a whole sample before its memory is believed is asked of its tail here.
    """
    if not isfinite(needed):
        return None, None
    alone, size = question.memory <= questions.LOOSE, min(asked.sizes)
    beyond = questions.FEWEST_BEYOND if alone else FEWEST_CORRELATED
    if not question.trusted or _requests(asked, question, beyond / question.rare, 0.0) > size:
        least = FEWEST_CORRELATED * questions.longer_memory(question.memory, size, _PILOT_ERRORS)
        tail = _requests(asked, question, FEWEST_CORRELATED / question.rare, _PILOT_ERRORS)
        return None, _two_digits(max(least, tail))
    return _two_digits(_requests(asked, question, needed, _ERRORS)), None


def _requests(asked: _Asked, question: Question, observations: float, errors: float) -> float:
    """Requests that are worth so many observations, should they remember so many standard errors
    longer than is seen."""
    longer = questions.longer_memory(question.memory, min(asked.sizes), errors) / question.memory
    return observations * longer * sum(asked.sizes) / sum(question.worth)


def _two_digits(requests: float) -> int:
    """Rounded up: it is an estimate."""
    size = max(questions.FEWEST, ceil(requests))
    unit: int = 10 ** max(0, len(str(size)) - 2)
    return -(-size // unit) * unit


def _limits(asked: _Asked, question: Question, alpha: float) -> Limits:
    """The smallest and the largest change that the samples do not speak against; None where they
    speak against no change however small, or large."""
    if not question.trusted or (question.a <= 0.0 and asked.metric != RATE):
        return None

    def moved(by: float) -> tuple[float, float]:
        return (1.0, by) if asked.metric == RATE else (1.0 + by, 0.0)

    middle = _change(asked.metric, question.a, question.b) or 0.0
    most = 1.0 if asked.metric == RATE else 10.0 * (2.0 + middle)
    low = _edge(lambda by: question.larger(*moved(by)) > alpha, middle, -1.0)
    high = _edge(lambda by: question.smaller(*moved(by)) > alpha, middle, most)
    return low, high


def _excluded(asked: _Asked, limits: Limits) -> bool:
    """Whether the interval leaves out the change that should be found."""
    factor, shift = asked.margin
    if limits is None or (shift and asked.metric != RATE):
        return False
    if asked.metric == RATE:
        return limits[1] is not None and limits[1] < shift + (shift or _OTHER_POINTS)
    least = factor * (1.0 + asked.sign * (asked.allowed.share or _OTHER_CHANGE)) - 1.0
    edge = limits[1] if asked.sign > 0 else limits[0]
    return edge is not None and asked.sign * edge < asked.sign * least


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float | None:
    """Where it ceases to hold on the way out; None where it never does."""
    if holds(outside):
        return None
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2.0
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside
