"""Which one to take? Candidates from kept runs, or measured until the data decide.

A measured round is one run, as `compare` makes them: the candidates that can still change the
answer take turns, each as often as the last rounds call for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from ..engine.load import Load
from ..engine.plan import OnProgress
from ..errors import UsageError
from ..metrics.context import Context
from ..pricing import ZERO, dollars
from ..request import Prompt
from ..store import runs
from ..store.prices import keep_prices, open_book, pricer_of
from ..store.runs import Run
from ..store.understand import records
from . import compare
from .blocks import spread_out
from .growing import (
    Choice,
    Growing,
    candidates_of,
    decide,
    growing,
    how_of,
    wishes_of_choice,
)
from .party import Partaker, Party, Prompts, finish, new_context, several

if TYPE_CHECKING:
    from ..decide.decision import Decision, Spent
    from ..decide.figures import Wishes
    from ..decide.sample import About

EXPERIMENT = "optimize"
MAX_REQUESTS = 2000

_Kept = str | Path | tuple[str | None, str | Path]


def optimize(
    candidates: Mapping[str, Partaker] | Mapping[str, str | Path] | Sequence[_Kept],
    prompts: Prompts | None = None,
    *,
    name: str = "",
    on_progress: OnProgress | None = None,
    **choice: Unpack[Choice],
) -> Decision:
    """Which candidate to take, how sure that is, and what would change it: see `Choice`.

    `candidates` are kept runs, as `load` takes them, by name or each with its name or None; or
    lenses by name, which are asked `prompts` in rounds until the answer is settled. Of a
    comparison's run each candidate is one here. Ctrl-C
    ends the measuring early; the decision is made from what there is. Raises UsageError for what
    is no choice, and StoreError for a run that cannot be read.
    """
    live = _live(candidates)
    if live is None:
        return _of_kept(_named(candidates), choice)
    asking = _Asking(live, several(prompts or ()), name, on_progress, choice)
    return finish(_of_live(asking, handle_signals=True))


async def aoptimize(
    candidates: Mapping[str, Partaker],
    prompts: Prompts,
    *,
    name: str = "",
    on_progress: OnProgress | None = None,
    **choice: Unpack[Choice],
) -> Decision:
    """`optimize` of lenses, inside a running event loop; signals are left to the caller."""
    asking = _Asking(candidates, several(prompts), name, on_progress, choice)
    return await _of_live(asking, handle_signals=False)


def _live(candidates: Any) -> Mapping[str, Partaker] | None:
    """The candidates where they are to be measured; None where they are kept runs."""
    if not isinstance(candidates, Mapping):
        return None
    are_runs = {isinstance(one, str | Path) for one in candidates.values()}
    if are_runs == {True, False}:
        raise UsageError("candidates are either kept runs or to be measured, not both at once")
    return candidates if are_runs == {False} else None


def _named(candidates: Any) -> list[tuple[str | None, str]]:
    """Each run with the name that it was given."""
    if isinstance(candidates, Mapping):
        return [(name, str(run)) for name, run in candidates.items()]
    given = [candidates] if isinstance(candidates, str | Path) else candidates
    pairs = (one if isinstance(one, tuple) else (None, one) for one in given)
    return [(name, str(run)) for name, run in pairs]


# --- kept runs ------------------------------------------------------------------------------


def _of_kept(named: Sequence[tuple[str | None, str]], choice: Choice) -> Decision:
    if not named:
        raise UsageError("there is no run to choose from: name some, or a comparison's")
    book = open_book(choice.get("prices"))
    anew = choice.get("prices") is not None and choice.get("reprice", True)
    found: dict[str, Growing] = {}
    kept: list[str] = []
    for name, run in named:
        rounds = [one for one in _rounds(runs.find(run)) if one.file.context.id not in kept]
        if not rounds:
            raise UsageError(f"{run} is named twice as a run")
        for one in rounds:
            pricer = pricer_of(one.file.context, book, anew=anew)
            kept.append(one.file.context.id)
            _add_run(found, one, name, records(one, pricer=pricer))
    return decide(found, choice, kept, also=_unlike(found))


def _rounds(run: Run) -> list[Run]:
    """All rounds of the choice that the run is one of, the first one first; else the run alone."""
    first = run.file.context.config.get("choice")
    if first is None:
        return [run]
    # In the home folder they lie side by side, in a folder of their own the later in the first.
    base = run.path.parent
    paths = [base, *(file.parent for file in base.glob(f"*/{runs.RUN}"))]
    paths += [file.parent for file in run.path.glob(f"*/{runs.RUN}")]
    # An id begins with its second, in which several rounds can begin.
    since = str(first).partition("-")[0]
    near = [path for path in paths if path.name >= since or path in (base, run.path)]
    found = {path: runs.load(path) for path in near if (path / runs.RUN).is_file()}
    same = [one for one in found.values() if one.file.context.config.get("choice") == first]
    return sorted(same, key=lambda one: int(one.file.context.config["round"]))


def _add_run(found: dict[str, Growing], run: Run, name: str | None, records: Any) -> None:
    context = run.file.context
    experiment = context.config.get("experiment")
    if experiment in (compare.EXPERIMENT, EXPERIMENT):
        if name is not None:
            raise UsageError(
                f"{name}={run.path}: the candidates of a comparison have names already"
            )
        _add_arms(found, context, records)
        return
    if experiment is not None:
        raise UsageError(
            f"{run.path} is a run of `{experiment}`: its requests are of several kinds"
        )
    one = growing(context.config, context)
    found[_new_name(found, context, name)] = one
    for record in records:
        one.add(record)


def _add_arms(found: dict[str, Growing], context: Context, records: Any) -> None:
    """Candidates of one name are one, whose requests come from several runs."""
    for name, own in context.config["arms"].items():
        config = {**context.config, **own}
        planned = config.get("shares", {}).get(name) or config["requests"]
        if name not in found:
            found[name] = growing(config, replace(context, config=config, planned=planned))
        elif _whom(found[name].config) != _whom(config):
            raise UsageError(f"two runs have a candidate {name}, but not the same one")
        else:
            known = found[name].context
            found[name].context = replace(known, planned=(known.planned or 0) + planned)
    for record in records:
        found[record.arm].add(record)


def _whom(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(config.get(key) for key in ("provider", "model", "base_url"))


def _new_name(found: Mapping[str, Growing], context: Context, name: str | None) -> str:
    config = context.config
    model = str(config.get("model") or context.id)
    if name is not None and name in found:
        raise UsageError(f"two candidates have the name {name}")
    usual = (name, context.name, model.rpartition("/")[2], f"{config.get('provider')}/{model}")
    return next((one for one in usual if one and one not in found), f"{model}-{context.id}")


def _unlike(found: Mapping[str, Growing]) -> list[str]:
    """How the runs were measured in different ways, in words."""
    from ..decide.sample import about, differences

    names = list(found)
    abouts: list[About] = [about(one.context) for one in found.values()]
    told = []
    for name, other in zip(names[1:], abouts[1:], strict=True):
        apart = [
            one
            for one in differences(abouts[0], other)
            if not one.startswith(("provider ", "model "))
        ]
        if apart:
            told.append(
                f"{name} was measured in another way than {names[0]}, which can be all the"
                f" difference: {'; '.join(apart)}"
            )
    return told


# --- measuring ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asking:
    """Whom to measure, with what, and what is wanted."""

    lenses: Mapping[str, Partaker]
    prompts: Sequence[Prompt]
    name: str
    on_progress: OnProgress | None
    choice: Choice


@dataclass(slots=True)
class _Ledger:
    """What the rounds took."""

    rounds: int = 0
    requests: int = 0
    cost: Decimal | None = None
    stopped: str | None = None
    kept: list[str] = field(default_factory=list)

    def spent(self) -> Spent:
        from ..decide.decision import Spent

        return Spent(rounds=self.rounds, requests=self.requests, cost=self.cost,
                     stopped=self.stopped)  # fmt: skip


async def _of_live(asking: _Asking, *, handle_signals: bool) -> Decision:
    from ..decide.choosing import check_names
    from ..decide.rounds import first_round

    choice, names = asking.choice, list(asking.lenses)
    check_names(names, choice.get("current"))
    wishes = wishes_of_choice(choice, names)
    limit = choice.get("max_requests", MAX_REQUESTS)
    if limit < len(names):
        raise UsageError(f"max-requests is {limit}: it must be at least one of each candidate")
    parties = compare.parties_of(asking.lenses, asking.prompts)
    how_of(choice, {}, ())
    found: dict[str, Growing] = {}
    ledger = _Ledger()
    shares: Mapping[str, int] = dict.fromkeys(names, first_round(wishes))
    while shares := _within(shares, limit, choice.get("max_cost"), ledger):
        await _round(asking, parties, shares, found, ledger, handle_signals=handle_signals)
        shares = {} if ledger.stopped else _next(found, wishes, choice)
    return decide(found, choice, ledger.kept, ledger.spent())


def _within(
    shares: Mapping[str, int], most: int, max_cost: Decimal | int | str | None, ledger: _Ledger
) -> Mapping[str, int]:
    """As much of a round as the budget leaves; nothing where that is not one request of each."""
    total, left = sum(shares.values()), most - ledger.requests
    money = _left(max_cost, ledger)
    if shares and money is not None and money <= 0:
        ledger.stopped = f"{dollars(ledger.cost or ZERO)} were spent (--max-cost)"
        return {}
    if total <= left:
        return shares
    if left < len(shares):
        ledger.stopped = f"{ledger.requests:,} requests were sent (--max-requests)"
        return {}
    return {name: max(1, count * left // total) for name, count in shares.items()}


async def _round(
    asking: _Asking,
    parties: Mapping[str, Party],
    shares: Mapping[str, int],
    found: dict[str, Growing],
    ledger: _Ledger,
    *,
    handle_signals: bool,
) -> None:
    choice = asking.choice
    seed = choice.get("seed", 0) + ledger.rounds
    load: Load = {
        "requests": sum(shares.values()),
        "warmup": 0,
        "concurrency": choice.get("concurrency", 1),
        "seed": seed,
        "max_cost": _left(choice.get("max_cost"), ledger),
    }
    chosen = {name: parties[name] for name in shares}
    turns = spread_out(shares, seed)
    arena = compare.Field(chosen, asking.prompts, load, turns)
    cost = load["max_cost"]
    config = {
        **compare.shared_config(arena),
        "experiment": EXPERIMENT,
        "round": ledger.rounds + 1,
        "shares": dict(shares),
        "requests": load["requests"],
        "warmup": 0,
        "concurrency": load["concurrency"],
        "seed": seed,
        "max_cost": None if cost is None else str(cost),
    }
    context = new_context(asking.name, config)
    config["choice"] = ledger.kept[0] if ledger.kept else context.id
    captured = await compare.capture_turns(
        arena, context, asking.on_progress, handle_signals=handle_signals
    )
    pricer = pricer_of(context, arena.first.book)
    run = captured.run
    _add_arms(found, context, _counted(
        records(run, captured.unsaved, captured.count_tokens, pricer), ledger))  # fmt: skip
    keep_prices(run, pricer)
    ledger.rounds += 1
    ledger.kept.append(context.id)
    if context.interrupted:
        ledger.stopped = "interrupted"
    elif context.stopped_early and "(--max-cost)" in context.stopped_early:
        # The round knows only what the rounds before it have left of the sum.
        sum_of_all = dollars(Decimal(str(choice.get("max_cost"))))
        ledger.stopped = (
            f"one more request could have taken the cost past {sum_of_all} (--max-cost)"
        )
    elif context.stopped_early:
        ledger.stopped = context.stopped_early


def _left(limit: Decimal | int | str | None, ledger: _Ledger) -> Decimal | None:
    from ..engine.load import max_cost

    found = max_cost({"max_cost": limit})
    return None if found is None else found - (ledger.cost or ZERO)


def _counted(found: Any, ledger: _Ledger) -> Any:
    for record in found:
        ledger.requests += 1
        if record.cost_usd is not None:
            ledger.cost = (ledger.cost or ZERO) + record.cost_usd
        yield record


def _next(found: Mapping[str, Growing], wishes: Wishes, choice: Choice) -> Mapping[str, int]:
    from ..decide.rounds import next_round
    from ..decide.standing import standing_of

    candidates = candidates_of(found, choice.get("scores", {}))
    if not any(one.sample.answers for one in candidates):
        return {}
    standing = standing_of(candidates, wishes, seed=choice.get("seed", 0))
    if not standing.wishes.criteria:
        return {}
    return next_round(standing, choice.get("confidence", 0.95))
