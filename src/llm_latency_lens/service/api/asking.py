"""What a request may ask, as tables: each parameter with how it is read and what is said of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from ...errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)\s*([smhdw])")
_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_LAST_UNIX_S = 9e9
"""In the year 2255: nanoseconds go not much farther in 64 bits."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is read: `read` takes its text and the present moment (Unix, seconds) and raises
    UsageError with what it must be."""

    read: Callable[[str, float], Any]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default` is read like a value that was given; without one the parameter is None."""

    name: str
    kind: Kind
    told: str
    default: str | None = None
    required: bool = False


def text() -> Kind:
    return Kind(lambda given, _: given, {"type": "string", "minLength": 1})


def texts() -> Kind:
    def read(given: str, _: float) -> list[str]:
        return [part for part in map(str.strip, given.split(",")) if part]

    return Kind(read, {"type": "string", "description": "several apart by commas"})


def choices(*known: str) -> Kind:
    """Some of the known words, apart by commas."""

    def read(given: str, _: float) -> list[str]:
        found = [part for part in map(str.strip, given.split(",")) if part]
        for part in found:
            if part not in known:
                raise UsageError(f"there is no {part!r}: {_meant(part, known)}")
        return found or list(known)

    return Kind(read, {"type": "string", "description": f"of {', '.join(known)}"})


def choice(*known: str) -> Kind:
    def read(given: str, _: float) -> str:
        if given not in known:
            raise UsageError(f"there is no {given!r}: {_meant(given, known)}")
        return given

    return Kind(read, {"type": "string", "enum": list(known)})


def switch() -> Kind:
    def read(given: str, _: float) -> bool:
        if given not in ("true", "false"):
            raise UsageError(f"must be true or false, not {given!r}")
        return given == "true"

    return Kind(read, {"type": "boolean"})


def whole(low: int, high: int) -> Kind:
    def read(given: str, _: float) -> int:
        if not re.fullmatch(r"\d{1,9}", given, re.ASCII) or not low <= int(given) <= high:
            raise UsageError(f"must be a whole number from {low} to {high}, not {given!r}")
        return int(given)

    return Kind(read, {"type": "integer", "minimum": low, "maximum": high})


def share(low: float, high: float) -> Kind:
    def read(given: str, _: float) -> float:
        try:
            found = float(given)
        except ValueError:
            found = math.nan
        if not low < found < high:
            raise UsageError(f"must be a number between {low:g} and {high:g}, not {given!r}")
        return found

    return Kind(read, {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": high})


def length() -> Kind:
    """A length of time in seconds: `90`, `90s`, `5m`, `24h`, `7d`."""

    def read(given: str, _: float) -> float:
        found = length_of(given)
        if found is None or found <= 0:
            raise UsageError(f"must be a length of time such as 60s, 5m or 24h, not {given!r}")
        return found

    return Kind(read, {"type": "string", "examples": ["60s", "5m", "24h"]})


def moment() -> Kind:
    """A moment in Unix seconds: given so, in ISO 8601, or as a length before the present."""

    def read(given: str, now_unix_s: float) -> float:
        found = _moment_of(given, now_unix_s)
        if found is None or not 0 <= found <= _LAST_UNIX_S:
            raise UsageError(
                "must be Unix seconds, a moment such as 2026-01-31T12:00:00Z, or a length before"
                f" now such as 24h, not {given!r}"
            )
        return found

    return Kind(read, {"type": "string", "examples": ["24h", "2026-01-31T12:00:00Z", "1769860800"]})


def length_of(given: str) -> float | None:
    """Seconds; None for what is no length."""
    if _SECONDS.fullmatch(given):
        return float(given)
    found = _LENGTH.fullmatch(given)
    return float(found[1]) * _UNITS[found[2]] if found else None


def _moment_of(given: str, now_unix_s: float) -> float | None:
    if _SECONDS.fullmatch(given):
        return float(given)
    if given == "now":
        return now_unix_s
    if (before := length_of(given)) is not None:
        return now_unix_s - before
    try:
        # A + in an address is a space unless it is written as %2B.
        found = datetime.fromisoformat(given.replace(" 0", "+0"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was understood. `now_unix_s` is when it came."""

    now_unix_s: float
    path: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def read_values(
    given: Sequence[tuple[str, str]], parameters: Sequence[Parameter], now_unix_s: float
) -> dict[str, Any]:
    """Values by their names. Raises UsageError for a parameter that is unknown, twice there,
    missing or wrong."""
    known = {one.name: one for one in parameters}
    found: dict[str, str] = {}
    for name, value in given:
        if name not in known:
            raise UsageError(f"there is no parameter {name!r}: {_meant(name, list(known))}")
        if name in found:
            raise UsageError(f"{name} is given twice")
        found[name] = value
    return dict(_read(found, parameters, now_unix_s))


def _read(
    found: Mapping[str, str], parameters: Sequence[Parameter], now_unix_s: float
) -> Iterator[tuple[str, Any]]:
    for one in parameters:
        value = found.get(one.name) or one.default
        if value is None:
            if one.required:
                raise UsageError(f"{one.name} is missing: {one.told}")
            yield one.name, None
            continue
        try:
            yield one.name, one.kind.read(value, now_unix_s)
        except UsageError as error:
            raise UsageError(f"{one.name}: {error}") from None


def _meant(given: str, known: Sequence[str]) -> str:
    near = get_close_matches(given, known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known are {', '.join(known)}" if known else "none is known here"
