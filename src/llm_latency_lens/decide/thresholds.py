"""Limits on the figures of a result: `ttft_ms.p95<800`, `error_rate<1%`, `cost.per_request<0.05`.

A figure is named by its path in the result's JSON; what is under `metrics` needs no prefix, and the
two ends of an interval are `low` and `high`: `ttft_ms.ci95.p95.high<1s`. A figure that a run does
not have misses its limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from ..metrics.objectives import Objective, parse_limit
from ..metrics.result import Result
from ..timeline import ErrorKind, Stage

Number = float | Decimal

_NUMBERS = (inspect.IntType, inspect.FloatType, inspect.DecimalType)
_ANY_NAME = "*"
_ENDS = ("low", "high")
_COUNTED: dict[str, type[StrEnum]] = {
    "requests.errors": ErrorKind,
    "requests.errors_by_stage": Stage,
}
"""Counts by name, which leave out what did not occur."""


class Checked(msgspec.Struct, kw_only=True, frozen=True):
    """One threshold on one run. `value` is null where the run does not have the figure, which is a
    miss; `missed_by` is how far it lies on the wrong side, in the figure's own unit."""

    threshold: str
    metric: str
    value: Number | None
    limit: Number
    met: bool
    missed_by: Number | None
    note: str | None


def parse_threshold(text: str) -> Objective:
    """Raises UsageError, with what is nearest, for what is no limit on a figure of a result."""
    found = parse_limit(text, _wrong)
    return replace(found, metric=found.metric.removeprefix("metrics."))


def _wrong(metric: str) -> str | None:
    metric = metric.removeprefix("metrics.")
    if _known(metric):
        return None
    names = paths()
    inner = [name for name in names if name.startswith(f"{metric}.")]
    usual = [f"{metric}.{of}" for of in ("p50", "p95", "p99", "mean")]
    near = [name for name in usual if name in inner] or inner[:4]
    near = near or get_close_matches(metric, names, n=3, cutoff=0.5)
    rest = f"did you mean {' or '.join(near)}?" if near else "write one such as ttft_ms.p95"
    return f"a result has no number {metric}: {rest}"


def check(result: Result, thresholds: Sequence[Objective]) -> list[Checked]:
    """Each threshold on the run, in their order."""
    tree = msgspec.to_builtins(result, builtin_types=(Decimal,))
    return [_checked(tree, threshold) for threshold in thresholds]


def _checked(tree: dict[str, Any], threshold: Objective) -> Checked:
    found = _value(tree, threshold.metric)
    met = threshold.met(found)
    limit = threshold.limit
    return Checked(
        threshold=threshold.text,
        metric=threshold.metric,
        value=found,
        limit=limit,
        met=met,
        missed_by=None if met or found is None else _apart(found, limit),
        note=f"the run has no {threshold.metric}" if found is None else None,
    )


def _apart(found: Number, limit: Number) -> Number:
    if isinstance(found, Decimal) and isinstance(limit, Decimal):
        return abs(found - limit)
    return abs(float(found) - float(limit))


def _value(tree: dict[str, Any], metric: str) -> Number | None:
    name = metric.split(".", 1)[0]
    place: Any = tree if name in tree else tree["metrics"]
    nothing = 0 if metric.rpartition(".")[0] in _COUNTED else None
    for part in metric.split("."):
        if isinstance(place, dict):
            place = place.get(part, nothing)
        elif isinstance(place, list | tuple) and part in _ENDS and len(place) == len(_ENDS):
            place = place[_ENDS.index(part)]
        else:
            return None
    is_number = isinstance(place, int | float | Decimal) and not isinstance(place, bool)
    return place if is_number else None


# --- which numbers a result has -------------------------------------------------------------


@lru_cache(maxsize=1)
def paths() -> tuple[str, ...]:
    """The names of all numbers that a result can have; `*` stands for any name."""
    found = _inside(inspect.type_info(Result), "")
    return tuple(name.removeprefix("metrics.") for name in found)


def _known(metric: str) -> bool:
    return _any_of(paths()).fullmatch(metric) is not None


@lru_cache(maxsize=1)
def _any_of(names: tuple[str, ...]) -> re.Pattern[str]:
    shapes = [re.escape(name).replace(r"\*", r"[\w-]+") for name in names]
    return re.compile("|".join([*shapes, r"config\..+", r"run\.host\..+"]))


def _inside(kind: Any, path: str) -> Iterator[str]:
    match kind:
        case inspect.StructType():
            for field in kind.fields:
                yield from _inside(field.type, f"{path}.{field.encode_name}".lstrip("."))
        case inspect.UnionType():
            for one in kind.types:
                yield from _inside(one, path)
        case inspect.TupleType():
            yield from (f"{path}.{end}" for end in _ENDS)
        case inspect.DictType():
            for name in _COUNTED.get(path, (_ANY_NAME,)):
                yield from _inside(kind.value_type, f"{path}.{name}")
        case _ if isinstance(kind, _NUMBERS):
            yield path
