"""Who is faster? Several candidates are asked the same, in turns whose order is drawn.

One capture holds them all, so that they share the hour, the machine and the instrument; each
request carries its candidate's name (`arm`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from ..clock import SystemClock
from ..costs import budget_of_arms
from ..engine.capture import Captured, Setup, capture
from ..engine.load import Load, check_names, make_plan
from ..engine.plan import OnProgress
from ..engine.ways import Way, Ways
from ..errors import UsageError
from ..measured import Trial
from ..metrics.comparison import Comparison
from ..metrics.context import Context
from ..providers import decode
from ..record import Record
from ..request import Prompt, Request
from ..store.prices import pricer_of
from ..targets import Aim
from .blocks import shuffled_blocks
from .party import (
    Partaker,
    Party,
    Prompts,
    described,
    every,
    finish,
    new_context,
    read,
    several,
)

EXPERIMENT = "compare"
REQUESTS = 50


class Contest(TypedDict, total=False):
    """How candidates are compared; every key may be left out.

    Each gets `requests` requests (default 50) and before them `warmup`, which are in no figure.
    `concurrency` are under way at a time (default 1), of all candidates together. `seed` is of the
    order and of the intervals. `max_cost` ends the run before it costs more dollars.
    """

    requests: int
    concurrency: int
    warmup: int
    seed: int
    max_cost: Decimal | int | str | None


def compare(
    candidates: Mapping[str, Partaker],
    prompts: Prompts,
    *,
    name: str = "",
    on_progress: OnProgress | None = None,
    **contest: Unpack[Contest],
) -> Trial[Comparison]:
    """Ask all candidates the same and compare them: lenses, by the names they are to have.

    Requests go out in blocks, one for each candidate, with the same prompt and in an order that is
    drawn. The first lens says what is kept of the run, and where. Ctrl-C ends the run early; what
    was measured is returned all the same. Raises UsageError for fewer than two candidates.
    """
    return finish(_compare(candidates, prompts, name, on_progress, contest, handle_signals=True))


async def acompare(
    candidates: Mapping[str, Partaker],
    prompts: Prompts,
    *,
    name: str = "",
    on_progress: OnProgress | None = None,
    **contest: Unpack[Contest],
) -> Trial[Comparison]:
    """`compare`, inside a running event loop; signals are left to the caller."""
    return await _compare(candidates, prompts, name, on_progress, contest, handle_signals=False)


def summed_up(records: Iterator[Record], context: Context) -> Comparison:
    """The comparison that the records of a run come to."""
    # numpy loads here, after the capture.
    from ..metrics.comparing import compare_records
    from ..report.faces import Compared, facing

    return facing(Compared, compare_records(records, context))


@dataclass(frozen=True, slots=True)
class Field:
    """Who is asked what."""

    parties: Mapping[str, Party]
    prompts: Sequence[Prompt]
    load: Load
    """Of all candidates together."""
    turns: Iterable[tuple[int, str]]
    """Whom to ask, in this order, and with which prompt: its number, from the first again after
    the last."""

    @property
    def first(self) -> Party:
        return next(iter(self.parties.values()))


async def _compare(
    candidates: Mapping[str, Partaker],
    prompts: Prompts,
    name: str,
    on_progress: OnProgress | None,
    contest: Contest,
    *,
    handle_signals: bool,
) -> Trial[Comparison]:
    field = _field(candidates, several(prompts), contest)
    context = new_context(name, _config(field, contest))
    captured = await capture_turns(field, context, on_progress, handle_signals=handle_signals)
    return read(captured, field.first.book, summed_up)


def _field(
    candidates: Mapping[str, Partaker], prompts: Sequence[Prompt], contest: Contest
) -> Field:
    check_names(contest, Contest)
    if len(candidates) < 2:
        raise UsageError("a comparison needs two candidates or more")
    parties = parties_of(candidates, prompts)
    requests, warmup = contest.get("requests", REQUESTS), contest.get("warmup", 0)
    load: Load = {
        "requests": requests * len(parties),
        "warmup": warmup * len(parties),
        "concurrency": contest.get("concurrency", 1),
        "seed": contest.get("seed", 0),
        "max_cost": contest.get("max_cost"),
    }
    blocks = requests + warmup
    turns = shuffled_blocks(list(parties), blocks, load["seed"])
    # More prompts than blocks are never sent, and need not be encoded.
    return Field(parties, prompts[: max(1, blocks)], load, turns)


def parties_of(
    candidates: Mapping[str, Partaker], prompts: Sequence[Prompt]
) -> Mapping[str, Party]:
    """Whom to ask. Raises UsageError where they cannot be asked the same in one run."""
    if not prompts:
        raise UsageError("there is no prompt to send")
    parties = {name: candidate.party() for name, candidate in candidates.items()}
    limits = {party.network.timeouts.first_token_s for party in parties.values()}
    operations = {party.config["operation"] for party in parties.values()}
    if len(limits) > 1 or len(operations) > 1:
        raise UsageError("candidates must share the operation and the limit on the first token")
    return parties


def _config(field: Field, contest: Contest) -> dict[str, Any]:
    cost = contest.get("max_cost")
    return {
        **shared_config(field),
        "experiment": EXPERIMENT,
        "requests": contest.get("requests", REQUESTS),
        "warmup": contest.get("warmup", 0),
        "concurrency": contest.get("concurrency", 1),
        "seed": contest.get("seed", 0),
        "max_cost": None if cost is None else str(cost),
    }


def shared_config(field: Field) -> dict[str, Any]:
    """What all candidates have in common, and under `arms` what each has of its own."""
    configs = {name: dict(party.config) for name, party in field.parties.items()}
    first = next(iter(configs.values()))
    shared = [key for key in first if all(own.get(key) == first[key] for own in configs.values())]
    own = {
        name: {key: value for key, value in config.items() if key not in shared}
        for name, config in configs.items()
    }
    return {
        **{key: first[key] for key in shared},
        **described(field.prompts, field.first.keeping.keep_text),
        "arms": own,
    }


async def capture_turns(
    field: Field, context: Context, on_progress: OnProgress | None, *, handle_signals: bool
) -> Captured:
    """Ask the field; `context.config` is what is kept of its settings."""
    keeping, network = field.first.keeping, field.first.network
    pricer = pricer_of(context, field.first.book)
    with ExitStack() as stack:
        aims = {}
        for name, party in field.parties.items():
            # In a thread, for a cloud is asked who one is, and that takes as long as it likes.
            aims[name] = await asyncio.to_thread(stack.enter_context, party.aim())
        requests = _requests(aims, field)
        plan = make_plan(
            field.load,
            context,
            lambda _: next(requests, None),
            decode,
            first_token_s=network.timeouts.first_token_s,
            secrets=_Together([aim.secrets for aim in aims.values()]),
            budget=budget_of_arms(field.load, field.first.book, pricer, context.config),
        )
        setup = Setup(
            raw=keeping.raw,
            run_dir=keeping.run_dir,
            keep_text=keeping.keep_text,
            count_tokens=keeping.count_tokens,
            pricer=pricer,
            streaming=keeping.streaming,
            handle_signals=handle_signals,
        )
        ways: dict[str | None, Way] = {
            name: Way(url=aims[name].build(field.prompts[0]).url, network=party.network)
            for name, party in field.parties.items()
        }
        beat = every(on_progress) if on_progress else None
        return await capture(plan, context, setup, ways=Ways(ways, SystemClock()), on_beat=beat)


def _requests(aims: Mapping[str, Aim], field: Field) -> Iterator[Request]:
    """In the order in which they are sent; each is built once, before the first is."""
    built = {
        name: [replace(aim.build(prompt), arm=name) for prompt in field.prompts]
        for name, aim in aims.items()
    }
    return _in_order(built, aims, field.turns)


def _in_order(
    built: Mapping[str, Sequence[Request]],
    aims: Mapping[str, Aim],
    turns: Iterable[tuple[int, str]],
) -> Iterator[Request]:
    for number, name in turns:
        request = built[name][number % len(built[name])]
        authorize = aims[name].authorize
        yield authorize(request) if authorize else request


class _Together(Sequence[bytes]):
    """The secrets of all candidates, also those that a renewed token adds while the run goes on."""

    def __init__(self, parts: Sequence[Sequence[bytes]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __getitem__(self, index: Any) -> Any:
        return [secret for part in self._parts for secret in part][index]
