"""What the value of a setting can be. A value comes as text (a flag, an environment variable) or
as a number, list or table (a configuration file); both are read by the same function.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ..errors import UsageError
from ..metrics.objectives import parse_objective

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_SPAN_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)")
_WORDS = {
    "true": True, "yes": True, "on": True, "1": True,
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip
_YES_NO = {True: "yes", False: "no"}


class UnfitError(ValueError):
    """The value is not of its kind; the text completes the sentence "NAME ..."."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`read` turns what was given into the value, or raises `UnfitError`; `schema` describes what a
    file may hold, as JSON Schema."""

    metavar: str
    read: Callable[[object], Any]
    schema: Mapping[str, Any]
    many: bool = False
    choices: tuple[str, ...] = ()


def text(metavar: str = "TEXT") -> Kind:
    """A string that is not empty."""
    return Kind(metavar, _text, {"type": "string", "minLength": 1})


def texts() -> Kind:
    """Strings, each of them not empty."""

    def read(value: object) -> tuple[str, ...]:
        return tuple(map(_text, value if isinstance(value, list | tuple) else [value]))

    return Kind("TEXT", read, {"type": "array", "items": {"type": "string"}}, many=True)


def urls() -> Kind:
    """Places to send to: a list, or one a line."""

    def read(value: object) -> tuple[str, ...]:
        lines = value if isinstance(value, list | tuple) else _text(value).splitlines()
        return tuple(_text(line).strip() for line in lines)

    schema = {"type": ["array", "string"], "items": {"type": "string"}}
    return Kind("URL", read, schema, many=True)


def whole(least: int) -> Kind:
    """A whole number of at least `least`."""

    def read(value: object) -> int:
        number = _number(value, "a whole number")
        if number != int(number):
            raise UnfitError(f"must be a whole number, not {value}")
        if number < least:
            raise UnfitError(f"must be at least {least}, not {value}")
        return int(number)

    return Kind("N", read, {"type": ["integer", "string"], "minimum": least})


def wholes(least: int) -> Kind:
    """Whole numbers of at least `least`: a list, or joined by commas."""
    one = whole(least)

    def read(value: object) -> tuple[int, ...]:
        parts = value if isinstance(value, list) else str(value).split(",")
        if not parts:
            raise UnfitError("must not be empty")
        return tuple(one.read(part) for part in parts)

    return Kind("N,N", read, {"type": ["array", "integer", "string"], "items": one.schema})


def number(least: float, *, above: bool = False, metavar: str = "NUMBER") -> Kind:
    """A finite number of at least `least`, or above it."""

    def read(value: object) -> float:
        found = _number(value, "a number")
        if found < least or (above and found == least):
            raise UnfitError(f"must be {'above' if above else 'at least'} {least:g}, not {value}")
        return found

    bound = {"exclusiveMinimum" if above else "minimum": least}
    return Kind(metavar, read, {"type": ["number", "string"], **bound})


def dollars() -> Kind:
    """A sum of money above 0, as a decimal."""

    def read(value: object) -> Decimal:
        _number(value, "a number of dollars")
        found = Decimal(str(value).strip())
        if found <= 0:
            raise UnfitError(f"must be above 0, not {value}")
        return found

    return Kind("DOLLARS", read, {"type": ["number", "string"], "exclusiveMinimum": 0})


def span(*, endless: bool = False, zero: bool = False) -> Kind:
    """A length of time in seconds, such as 90, 30s, 1h30m or 500ms; `none` where it may be
    endless."""

    def read(value: object) -> float | None:
        if endless and (value is None or value == "none"):
            return None
        seconds = _seconds(value)
        if seconds < 0 or (seconds == 0 and not zero):
            hint = " (`none` is no limit)" if endless else ""
            raise UnfitError(f"must be {'at least' if zero else 'above'} 0, not {value}{hint}")
        return seconds

    return Kind("DURATION", read, {"type": ["number", "string"]})


def spans() -> Kind:
    """Lengths of time of 0 or more, in seconds: a list, or joined by commas."""
    one = span(zero=True)

    def read(value: object) -> tuple[float, ...]:
        parts = value if isinstance(value, list) else str(value).split(",")
        if not parts:
            raise UnfitError("must not be empty")
        return tuple(one.read(part.strip() if isinstance(part, str) else part) for part in parts)

    schema = {"type": ["array", "number", "string"], "items": one.schema}
    return Kind("DURATION,DURATION", read, schema)


def moment() -> Kind:
    """A moment, or how long ago it was: a date, a date with a time (UTC unless it says another
    zone), or a length of time such as 7d."""

    def read(value: object) -> datetime | timedelta:
        if isinstance(value, str) and _SPAN.fullmatch(value.strip()):
            return timedelta(seconds=_seconds(value))
        try:
            found = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise UnfitError(
                f"must be a date such as 2026-01-31 or how long ago such as 7d, not {_show(value)}"
            ) from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    return Kind("WHEN", read, {"type": "string"})


def switch() -> Kind:
    """Yes or no."""

    def read(value: object) -> bool:
        if isinstance(value, bool):
            return value
        found = _WORDS.get(str(value).strip().lower())
        if found is None:
            raise UnfitError(f"must be true or false, not {_show(value)}")
        return found

    return Kind("", read, {"type": ["boolean", "string"]})


def choice(*names: str) -> Kind:
    """One of a few words."""

    def read(value: object) -> str:
        if value not in names:
            raise UnfitError(f"must be {_either(names)}, not {_show(value)}")
        return str(value)

    return Kind("|".join(names), read, {"enum": list(names)}, choices=names)


def json_object() -> Kind:
    """A JSON object: as JSON text, or as the file's own table."""

    def read(value: object) -> dict[str, Any]:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise UnfitError(f"is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise UnfitError('must be a JSON object, such as {"top_p": 0.9}')
        return value

    return Kind("JSON", read, {"type": ["object", "string"]})


def headers() -> Kind:
    """HTTP headers: `Name: value`, several of them, or a table of names and values."""

    def read(value: object) -> tuple[tuple[str, str], ...]:
        if isinstance(value, Mapping):
            return tuple(_header(f"{name}: {found}") for name, found in value.items())
        lines = value if isinstance(value, list | tuple) else str(value).splitlines()
        return tuple(_header(line) for line in lines)

    items = {"type": "string"}
    schema = {"type": ["object", "array", "string"], "items": items, "additionalProperties": items}
    return Kind("'NAME: VALUE'", read, schema, many=True)


def objectives() -> Kind:
    """Limits that a request meets or misses, several of them."""

    def read(value: object) -> tuple[str, ...]:
        texts = value if isinstance(value, list | tuple) else str(value).splitlines()
        try:
            return tuple(parse_objective(str(text)).text for text in texts)
        except UsageError as error:
            raise UnfitError(str(error)) from None

    schema = {"type": ["array", "string"], "items": {"type": "string"}}
    return Kind("METRIC<LIMIT", read, schema, many=True)


def parsed(parse: Callable[[str], object]) -> Kind:
    """A text that another part of the program understands; it stays a text."""

    def read(value: object) -> str:
        found = _YES_NO.get(value) if isinstance(value, bool) else _text(value)
        try:
            parse(str(found))
        except UsageError as error:
            raise UnfitError(str(error)) from None
        return str(found)

    return Kind("VALUE", read, {"type": ["string", "number", "boolean"]})


def _header(line: object) -> tuple[str, str]:
    # The value can be a secret, so that no message repeats the line.
    found = _HEADER.fullmatch(str(line).strip())
    if found is None:
        raise UnfitError("must be given as 'Name: value', on one line")
    name, value = found.groups()
    if not (value.isascii() and (value.isprintable() or not value)):
        raise UnfitError(f"has a value for {name} that no HTTP header can carry")
    return name, value


def _text(value: object) -> str:
    # It can be a key, so that no message repeats it.
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise UnfitError("must be text")
    if not str(value).strip():
        raise UnfitError("must not be empty")
    return str(value)


def _number(value: object, wanted: str) -> float:
    found = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            found = float(value)
    if not math.isfinite(found):
        raise UnfitError(f"must be {wanted}, not {_show(value)}")
    return found


def _seconds(value: object) -> float:
    if isinstance(value, str) and _SPAN.fullmatch(value.strip()):
        parts = _SPAN_PART.findall(value)
        return math.fsum(float(amount) * _UNITS_S[unit] for amount, unit in parts)
    return _number(value, "a length of time such as 30s, 5m or 1h30m")


def _show(value: object) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"'{shown}'" if len(shown) <= 60 else f"'{shown[:57]}...'"


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
