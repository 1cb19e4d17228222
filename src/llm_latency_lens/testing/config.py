"""The settings of a simulated provider, each with the text that stands for it in options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from ..clock import MS_NS
from ..errors import UsageError
from .faults import Fault, parse_faults
from .limits import Limit, parse_limits
from .values import (
    COUNT,
    TIME,
    Dist,
    format_duration,
    parse_duration,
    parse_ratio,
    parse_share,
)


@dataclass(frozen=True, slots=True)
class Stalls:
    """Each gap grows by `length` (ns) with `probability`. Written `0.2%:150ms`."""

    probability: float
    length: Dist

    @classmethod
    def parse(cls, text: str) -> Stalls:
        share, colon, length = text.partition(":")
        if not colon:
            raise UsageError(f"stalls '{text}' lack their length: write e.g. 0.2%:150ms")
        return cls(parse_share(share), Dist.parse(length, TIME))

    def __str__(self) -> str:
        return f"{self.probability!r}:{self.length.format(TIME)}"


@dataclass(frozen=True, slots=True)
class Freeze:
    """In every answer the `event`-th gap, before that content event, grows by `length_ns`.

    Written `2s@10`.
    """

    length_ns: int
    event: int

    @classmethod
    def parse(cls, text: str) -> Freeze:
        length, at, event = text.partition("@")
        if not at or not event.strip().isdecimal() or int(event) < 1:
            raise UsageError(
                f"freeze '{text}' lacks its event: write e.g. 2s@10 (1 is the first gap)"
            )
        return cls(parse_duration(length), int(event))

    def __str__(self) -> str:
        return f"{format_duration(self.length_ns)}@{self.event}"


_TTFT, _GAP = Dist.constant(200 * MS_NS), Dist.constant(20 * MS_NS)
_TOKENS, _ONE, _NONE = Dist.constant(64), Dist.constant(1), Dist.constant(0)


@dataclass(frozen=True, slots=True)
class SimConfig:
    """How a simulated provider answers. Durations are of CLOCK_MONOTONIC nanoseconds.

    Everything random in one answer comes from `seed` and the request's index (its place in the
    order of arrival, from 0) alone. UsageError for values that make no sense.
    """

    ttft: Dist = _TTFT
    gap: Dist = _GAP
    stalls: Stalls | None = None
    freeze: Freeze | None = None
    prefill_ns: int = 0
    slots: int = 0
    slowdown: float = 0.0
    tokens: Dist = _TOKENS
    tokens_per_event: Dist = _ONE
    reasoning: Dist = _NONE
    reasoning_hidden: bool = False
    reasoning_field: str = "reasoning_content"
    tool_calls: int = 0
    burst: int | None = 1
    role: str = "first"
    usage: str = "asked"
    faults: tuple[Fault, ...] = ()
    limits: tuple[Limit, ...] = ()
    model: str = "sim"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("prefill_ns", "slots", "slowdown", "tool_calls", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name.removesuffix('_ns')} cannot be less than 0")
        if self.burst is not None and self.burst < 1:
            raise UsageError("burst is a number of events from 1, or 'all'")
        if self.tokens_per_event.mean < 1:
            raise UsageError("an event carries at least 1 token")
        if not self.model:
            raise UsageError("the model needs a name")

    @classmethod
    def from_options(cls, **options: str) -> SimConfig:
        """A configuration from texts, e.g. `from_options(ttft="lognormal:200ms,0.3", slots="4")`.

        The names are those of `OPTIONS`; UsageError names the option that is wrong.
        """
        values = {}
        for name, text in options.items():
            option = OPTIONS.get(name.replace("-", "_"))
            if option is None:
                raise UsageError(f"unknown option '{name}': known are {', '.join(OPTIONS)}")
            try:
                values[option.field] = option.parse(text)
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from error
        return cls(**values)

    def options(self) -> dict[str, str]:
        """The options that differ from the defaults; `from_options` makes the same of them."""
        texts = {}
        for name, option in OPTIONS.items():
            value = getattr(self, option.field)
            if value != _DEFAULTS[option.field]:
                texts[name] = option.format(value)
        return texts


class Option(NamedTuple):
    """One setting as the outside sees it."""

    field: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]
    help: str


def _whole(text: str) -> int:
    if not text.strip().isdecimal():
        raise UsageError(f"'{text}' is not a whole number of 0 or more")
    return int(text)


def _choice(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise UsageError(f"'{text}' is none of {', '.join(names)}")
        return text

    return parse


def _yes_no(text: str) -> bool:
    return _choice("yes", "no")(text) == "yes"


def _burst(text: str) -> int | None:
    return None if text == "all" else _whole(text)


def _optional(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text == "none" else parse(text)


def _join(parts: tuple[object, ...]) -> str:
    return ",".join(map(str, parts))


def _times(text: str) -> Dist:
    return Dist.parse(text, TIME)


def _counts(text: str) -> Dist:
    return Dist.parse(text, COUNT)


def _as_times(dist: Dist) -> str:
    return dist.format(TIME)


def _as_counts(dist: Dist) -> str:
    return dist.format(COUNT)


def _as_yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _as_burst(value: int | None) -> str:
    return "all" if value is None else str(value)


OPTIONS: Mapping[str, Option] = {
    "ttft": Option("ttft", _times, _as_times, "time to the first token, a distribution"),
    "gap": Option("gap", _times, _as_times, "time between two events, a distribution"),
    "stalls": Option(
        "stalls",
        _optional(Stalls.parse),
        str,
        "share of gaps that grow, and by what: 0.2%:150ms",
    ),
    "freeze": Option(
        "freeze", _optional(Freeze.parse), str, "one long gap in each answer: 2s@10 before event 10"
    ),
    "prefill": Option(
        "prefill_ns", parse_duration, format_duration, "added to the TTFT for each prompt token"
    ),
    "slots": Option("slots", _whole, str, "answers at a time, others queue; 0 is no limit"),
    "slowdown": Option(
        "slowdown",
        parse_ratio,
        repr,
        "how much longer gaps get for each other answer under way, e.g. 1%",
    ),
    "tokens": Option("tokens", _counts, _as_counts, "answer tokens, a distribution of counts"),
    "tokens_per_event": Option(
        "tokens_per_event", _counts, _as_counts, "tokens in one event, a distribution of counts"
    ),
    "reasoning": Option("reasoning", _counts, _as_counts, "reasoning tokens before the answer"),
    "reasoning_hidden": Option(
        "reasoning_hidden", _yes_no, _as_yes_no, "yes: they take time and are counted, not shown"
    ),
    "reasoning_field": Option(
        "reasoning_field",
        _choice("reasoning_content", "reasoning"),
        str,
        "the delta's field that carries reasoning text",
    ),
    "tool_calls": Option("tool_calls", _whole, str, "the answer is this many tool calls, no text"),
    "burst": Option(
        "burst", _burst, _as_burst, "events held back and sent at once (pseudo-streaming), or all"
    ),
    "role": Option(
        "role",
        _choice("first", "early", "off"),
        str,
        "role-only delta: just before the first token, at once, or none",
    ),
    "usage": Option(
        "usage",
        _choice("asked", "always", "never"),
        str,
        "token counts in a stream of OpenAI's format: where they were asked for, always, or never",
    ),
    "faults": Option(
        "faults", parse_faults, _join, "KIND[@EVENT][=VALUE]:WHEN, joined by commas: 429=2s:5%"
    ),
    "limits": Option(
        "limits",
        parse_limits,
        _join,
        "rate limits, told in headers; above them it is a 429: requests:60/60s,tokens:9000/60s",
    ),
    "model": Option("model", str, str, "name of the model that is served"),
    "seed": Option("seed", _whole, str, "of everything random"),
}
"""Every option by its name (`_` is `-` on the command line)."""

_DEFAULTS = {field.name: field.default for field in fields(SimConfig)}
