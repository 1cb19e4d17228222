"""Where does a cold start come from, and when does it come back?

Each block asks every arm once, in an order that is drawn: on a kept connection, on a new one, on a
new one that takes up a TLS session, after each idle gap (on a new connection too, so that only the
gap differs), with a prefix that was never sent, and with one that was. What a gap has cooled down
beside the model, the kept connection and the prompt cache, is warmed up by a request that is not
measured.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypedDict, Unpack

from ..clock import SECOND_NS, Clock, SystemClock
from ..costs import budget_of, price_of
from ..engine.capture import Captured, Setup, capture
from ..engine.load import Load, check_names, make_plan
from ..engine.orchestrator import Engine
from ..engine.ways import Way, Ways
from ..errors import UsageError
from ..measured import Trial
from ..metrics.coldstart import (
    PRIME,
    REPEATED,
    RESUMED,
    UNIQUE,
    WARM,
    Coldstart,
    idle_arm,
)
from ..metrics.context import Context
from ..providers import decode
from ..record import Record
from ..request import Prompt, Request
from ..store.prices import pricer_of
from ..targets import Aim
from .blocks import shuffled_blocks
from .filler import prefixed
from .party import Partaker, Party, described, finish, new_context, read

EXPERIMENT = "coldstart"
IDLE_S = (0.0, 30.0, 300.0)
REPEAT = 7
"""As many as an interval over the two gaps of `IDLE_S` needs."""
PREFIX_WORDS = 4500
"""More tokens than any provider asks for before it caches; the most that was found is 4,096."""
PROMPT = "Say hello."

_KEPT = (WARM, UNIQUE, REPEATED, PRIME)
_BEATS = 5


class Cooling(TypedDict, total=False):
    """How cold starts are looked for; every key may be left out.

    `idle_s` are the gaps in seconds (default 0, 30, 300), `repeat` how often each arm is asked
    (default 7), `prefix_words` how long the prefix is that a prompt cache is tried with (default
    4,500, about as many tokens; 0 leaves the cache out). `seed` is of the order, the words and the
    intervals. `max_cost` ends the run before it costs more dollars.
    """

    idle_s: Sequence[float]
    repeat: int
    prefix_words: int
    seed: int
    max_cost: Decimal | int | str | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run will be: requests in all, those of them with the prefix, and the idle gaps."""

    requests: int
    prefixed: int
    waiting_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands: requests that were begun, and what comes next."""

    done: int
    of: int
    arm: str
    due_in_s: float
    """Until the next request; 0 while one is under way."""
    waiting_s: float
    """Of idle gaps, in all that is left."""


OnStanding = Callable[[Standing], None]


def coldstart(
    partaker: Partaker,
    prompt: str | Prompt = PROMPT,
    *,
    name: str = "",
    on_standing: OnStanding | None = None,
    **cooling: Unpack[Cooling],
) -> Trial[Coldstart]:
    """Look for cold starts of a lens's model: of the connection, the model, the prompt cache.

    `on_standing` is told four times a second how the run stands. Ctrl-C ends it early; what was
    measured is returned all the same.
    """
    work = _coldstart(partaker, prompt, name, on_standing, cooling, handle_signals=True)
    return finish(work)


async def acoldstart(
    partaker: Partaker,
    prompt: str | Prompt = PROMPT,
    *,
    name: str = "",
    on_standing: OnStanding | None = None,
    **cooling: Unpack[Cooling],
) -> Trial[Coldstart]:
    """`coldstart`, inside a running event loop; signals are left to the caller."""
    return await _coldstart(partaker, prompt, name, on_standing, cooling, handle_signals=False)


def summed_up(records: Iterator[Record], context: Context) -> Coldstart:
    """What the records of a run come to."""
    # numpy loads here, after the capture.
    from ..metrics.coldstarting import coldstart_of
    from ..report.faces import Cooled, facing

    return facing(Cooled, coldstart_of(records, context))


def outlook(partaker: Partaker, **cooling: Unpack[Cooling]) -> Outlook:
    """What a run will be. Sends nothing; raises UsageError for what cannot be carried out."""
    design = _design(cooling, resumes=_resumes(partaker.party()))
    steps = list(_steps(design))
    long = sum(step.arm in (UNIQUE, REPEATED, PRIME) for step in steps)
    waiting_s = sum(step.idle_s for step in steps)
    return Outlook(len(steps), long if design.prefix_words else 0, waiting_s)


# -- the order ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Design:
    idle_s: tuple[float, ...]
    repeat: int
    prefix_words: int
    seed: int
    resumes: bool

    @property
    def arms(self) -> list[str]:
        gaps = [idle_arm(gap) for gap in self.idle_s]
        resumed = [RESUMED] if self.resumes else []
        cached = [UNIQUE, REPEATED] if self.prefix_words else []
        return [WARM, *gaps, *resumed, *cached]


@dataclass(frozen=True, slots=True)
class _Step:
    """One request of a block, and how long to idle before it."""

    block: int
    arm: str
    idle_s: float = 0.0


def _design(cooling: Cooling, *, resumes: bool) -> _Design:
    """Raises UsageError for what is no such experiment."""
    check_names(cooling, Cooling)
    gaps = cooling.get("idle_s", IDLE_S)
    repeat = cooling.get("repeat", REPEAT)
    prefix_words = cooling.get("prefix_words", PREFIX_WORDS)
    for gap in gaps:
        if not (math.isfinite(gap) and gap >= 0):
            raise UsageError(f"idle is {gap:g}: a gap is a time of 0 or more")
    if repeat < 1:
        raise UsageError(f"repeat is {repeat}: it must be at least 1")
    if prefix_words < 0:
        raise UsageError(f"prefix-words is {prefix_words}: it cannot be negative")
    ordered = tuple(sorted({0.0, *map(float, gaps)}))
    return _Design(ordered, repeat, prefix_words, cooling.get("seed", 0), resumes)


def _steps(design: _Design) -> Iterator[_Step]:
    """The first request warms up what nobody knows the state of."""
    idle_s = {idle_arm(gap): gap for gap in design.idle_s}
    yield _Step(0, PRIME)
    primed = True
    for block, arm in shuffled_blocks(design.arms, design.repeat, design.seed):
        if not primed and arm in _KEPT:
            yield _Step(block, PRIME)
            primed = True
        gap = idle_s.get(arm, 0.0)
        yield _Step(block, arm, gap)
        primed = primed and not gap


def _resumes(party: Party) -> bool:
    """Whether there can be TLS sessions to take up."""
    return str(party.config["base_url"]).startswith("https:")


class _Timetable:
    """What is sent next, and when: the engine asks, one request at a time."""

    def __init__(self, steps: Sequence[_Step], ask: Callable[[_Step], Request], clock: Clock):
        self._steps = steps
        self._ask = ask
        self._now = clock.monotonic_ns
        self._done = 0
        self._due_ns = clock.monotonic_ns()

    def pause_ns(self) -> int:
        pause_ns = round(self._steps[self._done].idle_s * SECOND_NS)
        self._due_ns = self._now() + pause_ns
        return pause_ns

    def workload(self, _previous: Record | None) -> Request:
        step = self._steps[self._done]
        self._done += 1
        return self._ask(step)

    def standing(self) -> Standing:
        due_s = max(0.0, (self._due_ns - self._now()) / SECOND_NS)
        place = min(self._done, len(self._steps) - 1)
        later = sum(step.idle_s for step in self._steps[place + 1 :])
        return Standing(self._done, len(self._steps), self._steps[place].arm, due_s, due_s + later)


# -- the run ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """Whom to ask what, and in which design."""

    party: Party
    design: _Design
    prompt: Prompt
    context: Context
    clock: Clock

    def ask(self, aim: Aim, step: _Step) -> Request:
        request = replace(aim.build(self._says(step)), arm=step.arm)
        return aim.authorize(request) if aim.authorize else request

    def _says(self, step: _Step) -> Prompt:
        """What is unique is so in every run: a provider may remember the last one's."""
        count, seed = self.design.prefix_words, f"{self.design.seed}/{self.context.id}"
        if not count or step.arm not in (UNIQUE, REPEATED, PRIME):
            return self.prompt
        unique = f"/{step.block}" if step.arm == UNIQUE else ""
        return prefixed(self.prompt, count, seed + unique)

    def ways(self, url: str) -> Ways:
        """Kept connections, new ones, and new ones that take up a TLS session."""
        network = self.party.network
        full = replace(network, tls=replace(network.tls, resume=False))
        resuming = replace(network, tls=replace(network.tls, resume=True))
        kept = Way(url=url, network=full)
        new = Way(url=url, network=full, connections="cold")
        arms: dict[str | None, Way] = {arm: kept if arm in _KEPT else new for arm in self._arms}
        if self.design.resumes:
            arms[RESUMED] = Way(url=url, network=resuming, connections="cold")
        return Ways(arms, self.clock)

    @property
    def _arms(self) -> list[str]:
        return [PRIME, *self.design.arms]


async def _coldstart(
    partaker: Partaker,
    prompt: str | Prompt,
    name: str,
    on_standing: OnStanding | None,
    cooling: Cooling,
    *,
    handle_signals: bool,
    ways: Ways | None = None,
    clock: Clock | None = None,
) -> Trial[Coldstart]:
    party = partaker.party()
    design = _design(cooling, resumes=_resumes(party))
    asked = Prompt.of(prompt) if isinstance(prompt, str) else prompt
    cost = cooling.get("max_cost")
    config = {
        **party.config,
        **described([asked], party.keeping.keep_text),
        "experiment": EXPERIMENT,
        "idle_s": list(design.idle_s),
        "repeat": design.repeat,
        "prefix_words": design.prefix_words,
        "resumes": design.resumes,
        "seed": design.seed,
        "max_cost": None if cost is None else str(cost),
    }
    context = new_context(name, config, max_tokens=party.config["max_tokens"])
    run = _Run(party, design, asked, context, clock or SystemClock())
    load: Load = {"concurrency": 1, "seed": design.seed, "max_cost": cost}
    captured = await _capture(run, load, on_standing, ways, handle_signals=handle_signals)
    return read(captured, party.book, summed_up)


async def _capture(
    run: _Run,
    load: Load,
    on_standing: OnStanding | None,
    ways: Ways | None,
    *,
    handle_signals: bool,
) -> Captured:
    party, context = run.party, run.context
    keeping, pricer = party.keeping, pricer_of(context, party.book)
    steps = list(_steps(run.design))
    with ExitStack() as stack:
        # In a thread, for a cloud is asked who one is, and that takes as long as it likes.
        aim = await asyncio.to_thread(stack.enter_context, party.aim())
        timetable = _Timetable(steps, lambda step: run.ask(aim, step), run.clock)
        price = price_of(party.book, context.config, datetime.now(UTC))
        plan = make_plan(
            {**load, "requests": len(steps)},
            context,
            timetable.workload,
            decode,
            first_token_s=party.network.timeouts.first_token_s,
            secrets=aim.secrets,
            budget=budget_of(load, price, pricer, context.config, keeping.count_tokens),
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
        return await capture(
            replace(plan, pause_ns=timetable.pause_ns, first_must_answer=True),
            context,
            setup,
            ways=ways or run.ways(aim.build(run.prompt).url),
            clock=run.clock,
            on_beat=_telling(timetable, on_standing) if on_standing else None,
        )


def _telling(timetable: _Timetable, on_standing: OnStanding) -> Callable[[Engine], None]:
    count = itertools.count()

    def beat(_engine: Engine) -> None:
        if next(count) % _BEATS == 0:
            on_standing(timetable.standing())

    return beat
