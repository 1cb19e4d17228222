"""What a choice is made of while its records come in: candidates that grow, wishes, doubts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

from ..engine.load import check_names
from ..errors import RunError, UsageError
from ..metrics.context import Context
from ..pricing import Prices
from ..record import Record

if TYPE_CHECKING:
    from ..decide.choosing import How
    from ..decide.decision import Decision, Spent
    from ..decide.figures import Wishes
    from ..decide.resample import Candidate
    from ..decide.sample import Sampler
    from ..metrics.summary import Summarizer

Scores = Mapping[str, Mapping[str, float]]
"""The user's own figures: by candidate, by column."""


class Choice(TypedDict, total=False):
    """What is wanted of candidates, and how the choice is made; every key may be left out.

    `require` are limits that must be kept ("ttft_ms.p95<800", "error_rate<1%"), `minimise` and
    `maximise` figures to choose by ("cost", "ttft_ms.p95"), `weights` what each counts for (1
    unless given). `profile` is "interactive", "batch" or "cheapest": criteria with weights, which
    the others add to; it is "interactive" where no criterion is given. `scores` are the user's own
    figures by candidate, such as quality. `current` is the candidate in use. An answer is one that
    `confidence` of the resamples give (0.95); `seed` is of everything that is drawn.

    Of kept runs: `prices`, as for `load`. Of measured candidates: `concurrency` requests are under
    way at a time, of all together (1); it ends after `max_requests` (2000) or before `max_cost`
    dollars, of all together.
    """

    require: Sequence[str]
    minimise: Sequence[str]
    maximise: Sequence[str]
    weights: Mapping[str, float]
    profile: str | None
    scores: Scores
    current: str | None
    confidence: float
    seed: int
    prices: Prices | None
    reprice: bool
    concurrency: int
    max_requests: int
    max_cost: Decimal | int | str | None


# --- candidates that grow -------------------------------------------------------------------


@dataclass(slots=True)
class Growing:
    """One candidate while its records come in."""

    config: Mapping[str, Any]
    sampler: Sampler
    summarizer: Summarizer
    context: Context
    error: str | None = None
    """Of its first request that failed."""

    def add(self, record: Record) -> None:
        self.sampler.add(record)
        self.summarizer.add(record)
        if record.error is not None and self.error is None:
            self.error = record.error.unquoted().message


def growing(config: Mapping[str, Any], context: Context) -> Growing:
    # numpy loads here, after the capture.
    from ..decide.sample import Sampler
    from ..metrics.summary import Summarizer

    return Growing(config, Sampler(), Summarizer(), context)


def candidates_of(found: Mapping[str, Growing], scores: Scores) -> list[Candidate]:
    from ..decide.resample import Candidate

    return [
        Candidate(name, one.sampler.sample(one.context), scores.get(name, {}))
        for name, one in found.items()
    ]


def wishes_of_choice(choice: Choice, names: Sequence[str]) -> Wishes:
    from ..decide.figures import Asked, wishes_of

    asked = Asked(
        require=choice.get("require", ()),
        minimise=choice.get("minimise", ()),
        maximise=choice.get("maximise", ()),
        weights=choice.get("weights", {}),
        profile=choice.get("profile"),
    )
    return wishes_of(asked, _columns(choice.get("scores", {}), names))


def _columns(scores: Scores, names: Sequence[str]) -> list[str]:
    """The columns of the scores, which every candidate must have."""
    columns = list(dict.fromkeys(column for row in scores.values() for column in row))
    if unknown := [name for name in scores if name not in names]:
        raise UsageError(f"scores of {unknown[0]}: no such candidate; there are {', '.join(names)}")
    for name in names if columns else ():
        row = scores.get(name, {})
        missing = [column for column in columns if column not in row]
        if missing:
            raise UsageError(f"the candidate {name} has no {missing[0]} among the scores")
        if low := [column for column in columns if not 0.0 <= row[column] < float("inf")]:
            raise UsageError(f"the {low[0]} of {name} is {row[low[0]]:g}: scores begin at 0")
    return columns


def how_of(choice: Choice, found: Mapping[str, Growing], kept: Sequence[str]) -> How:
    from ..decide.choosing import How

    check_names(choice, Choice)
    confidence = choice.get("confidence", 0.95)
    if not 0.5 < confidence < 1.0:
        raise UsageError(f"confidence is {confidence:g}: it must be between 0.5 and 1")
    return How(
        current=choice.get("current"),
        confidence=confidence,
        seed=choice.get("seed", 0),
        runs=kept,
        origins={name: one.config for name, one in found.items()},
    )


def decide(
    found: Mapping[str, Growing],
    choice: Choice,
    kept: Sequence[str],
    spent: Spent | None = None,
    also: Sequence[str] = (),
) -> Decision:
    from ..decide.choosing import choose
    from ..report.faces import Chosen, facing

    how = how_of(choice, found, kept)
    wishes = wishes_of_choice(choice, list(found))
    candidates = candidates_of(found, choice.get("scores", {}))
    if not any(one.sample.answers for one in candidates):
        told = "; ".join(f"{name}: {one.error}" for name, one in found.items())
        raise RunError(f"no request succeeded of any candidate: {told}")
    notes = [*also, *_doubts(found)]
    return facing(Chosen, choose(candidates, wishes, replace(how, spent=spent, notes=notes)))


def _doubts(found: Mapping[str, Growing]) -> list[str]:
    """What speaks against a candidate's own figures."""
    told = []
    for name, one in found.items():
        result = one.summarizer.result(one.context)
        validity = result.validity
        if not result.requests.ok and one.error is not None:
            told.append(f"no request of {name} succeeded: {one.error}")
        elif validity.verdict == "invalid":
            why = "; ".join(r.message for r in validity.reasons if r.severity == "invalid")
            told.append(f"the figures of {name} are invalid by their own verdict: {why}")
    return told
