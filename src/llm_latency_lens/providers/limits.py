"""What an answer's headers say of rate limits, and how long a refusal asks to wait.

There is no one way to say it. A limit has a header for each of its three numbers, and what is
counted stands behind them (`x-ratelimit-remaining-tokens`), before them
(`anthropic-ratelimit-tokens-remaining`) or nowhere; or all of it is one structured field, as the
IETF's draft has it. A reset is a length of time ("6m0s", "33011.38"), or a moment: seconds or
milliseconds since 1970, or a date in one of two forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from ..record import RateLimit

Headers = Iterable[tuple[str, str]]

_HINT = re.compile(r"rate-?limit|tokenlimit|-call-(?:limit|remaining)|anthropic-priority").search
_BEHIND = re.compile(
    r"(?:x-)?(?:ai-)?(?P<kind>rate-?limit|tokenlimit|ratelimitbysize)"
    r"-(?P<field>limit|remaining|reset)(?:[-_](?P<what>[a-z0-9_-]+))?"
).fullmatch
_BEFORE = re.compile(
    r"anthropic-(?:ratelimit-)?(?P<what>[a-z0-9-]+)-(?P<field>limit|remaining|reset)"
).fullmatch
_COHERE = {
    "x-trial-endpoint-call-limit": ("requests", "limit"),
    "x-trial-endpoint-call-remaining": ("requests", "remaining"),
    "x-endpoint-monthly-call-limit": ("requests_month", "limit"),
}
_WINDOW = re.compile(r"(.*?)_?(?:per_)?(second|minute|hour|day|week|month)?").fullmatch
_NAMES = {
    "": "requests",
    "req": "requests",
    "tokens_prompt": "input_tokens",
    "tokens_generated": "output_tokens",
    "tokens_cache_adjusted_prompt": "uncached_input_tokens",
}
_PARTS = re.compile(r'(?:"[^"]*"|[^",])+').findall
_QUOTED = re.compile(r'"([^"]*)"').findall
_MEMBER = re.compile(r"\b([a-z]+)\s*=\s*(\d+)").findall
_BARE_QUOTA = re.compile(r"\s*(\d+)\s*(?:;|\Z)").match
_MEMBERS = {"q": "limit", "r": "remaining", "t": "reset"}
"""The draft's members; its older versions have the names in full."""

_WAITS = (
    ("retry-after-ms", 0.001),
    ("x-ms-retry-after-ms", 0.001),
    ("retry-after", 1.0),
    ("x-ratelimit-retry-after", 1.0),
    ("x-ratelimit-reset-after", 1.0),
    ("x-ratelimit-timeremaining", 1.0),
)
"""Headers that ask to wait, the exact ones first, and what a number in them counts."""

_COUNT = re.compile(r"\s*(\d+)(?:\.\d*)?\s*(?:[,;]|\Z)").match
_NUMBER = re.compile(r"\d+(?:\.\d+)?").fullmatch
_PIECE = r"(\d+(?:\.\d+)?)\s*(ms|milli|us|µs|s|m|h|d)(?:(?<=i)seconds?|(?:ec|in|our|ay)\w*)?\s*"
_PIECES = re.compile(_PIECE, re.IGNORECASE).findall
_LENGTH = re.compile(rf"(?:{_PIECE})+", re.IGNORECASE).fullmatch
_IN_WORDS = re.compile(
    rf"\b(?:try again|retry|wait)\b\D{{0,20}}?((?:{_PIECE})+)(?![a-z])", re.IGNORECASE
).search
_UNITS = {
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "milli": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
}

_DATE = re.compile(
    r"\w{3,9},? (\d\d)[ -](\w{3})[ -](\d{4}|\d\d) (\d\d):(\d\d):(\d\d) GMT"
).fullmatch
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH_S, _EPOCH_MS = 1e9, 1e11
"""From there on a number is no length of time but a moment, in seconds or milliseconds."""
_LONGEST = 512
"""Characters of a header that are looked at."""


def read_limits(headers: Headers, at_unix_s: float) -> tuple[RateLimit, ...]:
    """The limits that headers state, in their order; `at_unix_s` is when they came."""
    named = {
        name: value[:_LONGEST]
        for name, value in ((name.lower(), value) for name, value in headers)
        if _HINT(name)
    }
    if not named:
        return ()
    found: dict[str, dict[str, str]] = {}
    for name, value in named.items():
        if place := _place(name):
            what, field = place
            found.setdefault(what, {}).setdefault(field, value)
    for what, fields in _structured(named).items():
        found[what] = {**fields, **found.get(what, {})}
    limits = (_limit(what, fields, at_unix_s) for what, fields in found.items())
    return tuple(limit for limit in limits if limit.reset_s or _numbered(limit))


def retry_after_s(headers: Headers, at_unix_s: float) -> float | None:
    """How long the headers of a refusal ask to wait, in seconds; None where none does."""
    named = {name.lower(): value.strip()[:_LONGEST] for name, value in headers}
    for name, unit_s in _WAITS:
        wait = _seconds(named.get(name, ""), at_unix_s, unit_s)
        if wait is not None:
            return wait
    return None


def exhausted_s(limits: Iterable[RateLimit]) -> float | None:
    """How long until every limit that is used up is whole again.

    A limit of which the reset alone is told counts as used up: it came with a refusal.
    """
    resets = [
        limit.reset_s
        for limit in limits
        if limit.reset_s is not None and (limit.remaining == 0 or not _numbered(limit))
    ]
    return max(resets, default=None)


def waits_in_words(message: str) -> float | None:
    """How long a message asks to wait: "Please try again in 6m0s", "retry after 6 seconds"."""
    found = _IN_WORDS(message[:_LONGEST])
    return duration_s(found[1]) if found else None


def duration_s(text: str) -> float | None:
    """A length of time in words or as Go writes it: "6m0s", "20ms", "1.5 seconds"."""
    if not _LENGTH(text):
        return None
    total = sum(float(number) * _UNITS[unit.lower()] for number, unit in _PIECES(text))
    return total if total < _EPOCH_S else None


def _numbered(limit: RateLimit) -> bool:
    return limit.limit is not None or limit.remaining is not None


def _place(name: str) -> tuple[str, str] | None:
    """What a header counts, and which of the three numbers it gives."""
    if place := _COHERE.get(name):
        return place
    if found := _BEHIND(name):
        what = (found["what"] or "").replace("-", "_")
        if found["kind"] in ("tokenlimit", "ratelimitbysize"):
            what = f"tokens_{what}" if what else "tokens"
        return None if what == "after" else (_named(what), found["field"])
    if found := _BEFORE(name):
        return _named(found["what"].replace("-", "_")), found["field"]
    return None


def _named(what: str) -> str:
    found = _WINDOW(what)
    assert found is not None
    name = _NAMES.get(found[1], found[1])
    return f"{name}_{found[2]}" if found[2] else name


def _structured(named: dict[str, str]) -> dict[str, dict[str, str]]:
    """What the IETF's `RateLimit` and `RateLimit-Policy` say, by what is counted."""
    states, policies = _entries(named.get("ratelimit")), _entries(named.get("ratelimit-policy"))
    if len(states) == len(policies) == 1:  # whatever the two are called
        states = {"": {**next(iter(policies.values())), **next(iter(states.values()))}}
        policies = {}
    names = dict.fromkeys([*states, *policies])
    merged = {name: {**policies.get(name, {}), **states.get(name, {})} for name in names}
    only = len(merged) == 1
    return {
        "requests" if only or name in ("", "default") else f"requests_{name}": fields
        for name, fields in merged.items()
    }


def _entries(value: str | None) -> dict[str, dict[str, str]]:
    entries: dict[str, dict[str, str]] = {}
    for part in _PARTS(value or ""):
        names = _QUOTED(part)
        name = re.sub(r"\W+", "_", names[-1].lower()).strip("_") if names else ""
        fields = entries.setdefault(name, {})
        if quota := _BARE_QUOTA(part):
            fields.setdefault("limit", quota[1])
        for member, number in _MEMBER(part):
            fields.setdefault(_MEMBERS.get(member, member), number)
    return entries


def _limit(what: str, fields: dict[str, str], at_unix_s: float) -> RateLimit:
    reset = fields.get("reset")
    return RateLimit(
        what,
        _count(fields.get("limit", "")),
        _count(fields.get("remaining", "")),
        _seconds(reset.strip(), at_unix_s) if reset else None,
    )


def _count(value: str) -> int | None:
    """A count; -1, which Azure sends for what it does not know, is none."""
    found = _COUNT(value)
    return int(found[1]) if found and len(found[1]) < 16 else None


def _seconds(value: str, at_unix_s: float, unit_s: float = 1.0) -> float | None:
    """How long after `at_unix_s` a value means, whatever its form; never less than 0."""
    if _NUMBER(value):
        number = float(value)
        if number < _EPOCH_S:
            return number * unit_s
        moment: float | None = number / 1000 if number >= _EPOCH_MS else number
    elif (length := duration_s(value)) is not None:
        return length
    else:
        moment = _moment(value)
    wait = None if moment is None else max(0.0, moment - at_unix_s)
    return wait if wait is not None and wait < _EPOCH_S else None


def _moment(value: str) -> float | None:
    """Unix seconds of a date as HTTP or as RFC 3339 has it."""
    try:
        if not (found := _DATE(value)):
            when = datetime.fromisoformat(value)
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        day, month, year, *time = found.groups()
        full = int(year) + (2000 if len(year) == 2 else 0)
        hour, minute, second = map(int, time)
        place = _MONTHS.index(month.capitalize()) + 1
        return datetime(full, place, int(day), hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
