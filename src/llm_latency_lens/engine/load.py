"""How many requests, when, and how: the options of a benchmark, checked and made a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Literal, TypedDict, get_args

from ..clock import SECOND_NS
from ..errors import UsageError
from ..metrics.context import Context
from ..metrics.objectives import parse_objective
from ..record import Decoder
from ..schedule import Schedule
from ..schedule.arrivals import constant, poisson
from ..store.frames import MAX_ATTEMPT
from ..workload import Workload
from .budget import Budget
from .plan import Plan

DEFAULT_REQUESTS = 100

Arrival = Literal["constant", "poisson"]
Connections = Literal["warm", "cold"]


class Load(TypedDict, total=False):
    """The load of a benchmark; every key may be left out.

    Closed loop: `concurrency` requests are under way (default 1) until `requests` were sent
    (default 100) or `duration_s` has passed, whichever comes first. Open loop: `rate` requests per
    second are planned, `arrival` at even distances ("constant", the default) or as a Poisson
    process seeded by `seed`; `max_concurrency` bounds how many are under way, and waiting for a
    free place is send lag. `warmup` requests come first and are in no figure. `connections` are
    opened before the clock starts ("warm", the default) or for each request ("cold"). `retries`
    are counted apart and never part of a latency. `objectives` ("ttft_ms<800") give the goodput,
    the requests that met every one. `grace_s` is what running requests have left after an
    interrupt. `max_cost` ends the run before it costs more dollars, the warm-up, the retries and
    what is under way included; a decimal or its text, for a float is no sum of money.
    `respect_rate_limits` holds the arrivals of an open loop back while the provider's rate limit
    says so; they keep their planned times.
    """

    requests: int | None
    duration_s: float | None
    concurrency: int | None
    rate: float | None
    arrival: Arrival
    max_concurrency: int | None
    warmup: int
    seed: int
    connections: Connections
    retries: int
    grace_s: float
    objectives: Sequence[str]
    max_cost: Decimal | int | str | None
    respect_rate_limits: bool


def check_names(given: Mapping[str, object], known: type) -> None:
    """Raise UsageError for an option that `known`, a TypedDict, does not have."""
    names = known.__annotations__
    for name in given:
        if name not in names:
            nearest = get_close_matches(name, names, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(names)}"
            raise UsageError(f"no option {name!r}: {hint}")


def check_choice(name: str, given: str, known: Sequence[str]) -> None:
    """Raise UsageError for a value that is none of those known."""
    if given not in known:
        raise UsageError(f"{name} is {given!r}: it must be one of {', '.join(known)}")


def check(load: Load) -> None:
    """Raise UsageError for a load that cannot be sent."""
    check_names(load, Load)
    check_choice("arrival", load.get("arrival", "constant"), get_args(Arrival))
    check_choice("connections", load.get("connections", "warm"), get_args(Connections))
    for name in ("requests", "concurrency", "max_concurrency"):
        value = load.get(name)
        if isinstance(value, int) and value < 1:
            raise UsageError(f"{name.replace('_', '-')} is {value}: it must be at least 1")
    for name in ("rate", "duration_s"):
        value = load.get(name)
        if isinstance(value, float | int) and not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name.removesuffix('_s')} is {value:g}: it must be above 0")
    for name in ("warmup", "retries", "grace_s"):
        value = load.get(name)
        if isinstance(value, float | int) and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{name.removesuffix('_s')} is {value:g}: it cannot be negative")
    if load.get("retries", 0) > MAX_ATTEMPT:
        raise UsageError(f"retries is {load['retries']}: it cannot be above {MAX_ATTEMPT}")
    if load.get("rate") is not None and load.get("concurrency") is not None:
        raise UsageError(
            "rate and concurrency exclude each other: a rate plans arrivals (bounded by "
            "max-concurrency), concurrency keeps so many requests under way"
        )
    for text in load.get("objectives", ()):
        parse_objective(text)
    if load.get("rate") is None and load.get("max_concurrency") is not None:
        raise UsageError("max-concurrency goes with a rate; a closed loop takes concurrency")
    if load.get("rate") is None and load.get("respect_rate_limits"):
        raise UsageError(
            "respect-rate-limits goes with a rate: a closed loop has no planned times to keep"
        )
    max_cost(load)


def max_cost(load: Load) -> Decimal | None:
    """The most that the load may cost, in dollars. Raises UsageError for what is no such sum."""
    given = load.get("max_cost")
    if given is None:
        return None
    try:
        found = Decimal(str(given))
    except InvalidOperation:
        found = Decimal("nan")
    if not (found.is_finite() and found > 0):
        raise UsageError(f"max-cost is {given}: it must be a number of dollars above 0")
    return found


def most_requests(load: Load) -> int | None:
    """How many requests the load sends at most, the warm-up's too; None where time decides."""
    requests, duration_s, rate = load.get("requests"), load.get("duration_s"), load.get("rate")
    if requests is None:
        if duration_s is None:
            requests = DEFAULT_REQUESTS
        elif rate is not None:
            requests = math.ceil(rate * duration_s)
    return None if requests is None else requests + load.get("warmup", 0)


def make_plan(
    load: Load,
    context: Context,
    workload: Workload,
    decode: Decoder,
    *,
    first_token_s: float | None = None,
    secrets: Sequence[bytes] = (),
    budget: Budget | None = None,
) -> Plan:
    """The plan of a load; `context` is told what was asked for."""
    check(load)
    requests, duration_s, rate = load.get("requests"), load.get("duration_s"), load.get("rate")
    if requests is None and duration_s is None:
        requests = DEFAULT_REQUESTS
    duration_ns = None if duration_s is None else round(duration_s * SECOND_NS)
    schedule: Schedule | None = None
    concurrency = load.get("concurrency") or 1 if rate is None else load.get("max_concurrency")
    if rate is not None:
        if load.get("arrival", "constant") == "poisson":
            seed = load.get("seed", 0)
            schedule = poisson(rate, seed, requests=requests, duration_ns=duration_ns)
        else:
            schedule = constant(rate, requests=requests, duration_ns=duration_ns)
    context.mode = "closed" if schedule is None else "open"
    context.concurrency = concurrency
    context.planned = requests
    context.offered_rate = rate
    context.objectives = tuple(load.get("objectives", ()))
    context.warmup = load.get("warmup", 0)
    context.seed = load.get("seed", 0)
    return Plan(
        run_id=context.id,
        workload=workload,
        decode=decode,
        schedule=schedule,
        concurrency=concurrency,
        requests=requests,
        duration_ns=duration_ns,
        warmup=context.warmup,
        retries=load.get("retries", 0),
        grace_s=load.get("grace_s", 5.0),
        first_token_s=first_token_s,
        offered_rate=rate,
        secrets=secrets,
        budget=budget,
        respect_rate_limits=load.get("respect_rate_limits", False),
    )
