"""From JSON to the types of a wire format: strictly and fast where it fits, leniently where not.

A format is written down as `msgspec.Struct`s whose fields all have a default. What a server sends
besides, or sends with another type than its documentation has (a count as 12.0 or "12", an id that
is a number, text as a list of parts, broken UTF-8, a NaN), must not cost the rest of the event: it
is parsed once more without types, and whatever has the right shape is taken.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T", bound=msgspec.Struct)
_Take = Callable[[Any], Any]

_AMOUNT = re.compile(r"\d{1,15}(?:\.\d{1,30})?")
_SURROGATES = re.compile("[\ud800-\udfff]")


def reader(kind: type[T]) -> Callable[[bytes], T | None]:
    """A function from one JSON document to `kind`.

    It gives None for `null` and raises ValueError for what is no JSON object.
    """
    typed = msgspec.json.Decoder(kind).decode
    take = _struct(inspect.type_info(kind))

    def read(data: bytes) -> T | None:
        try:
            return typed(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            document = json.loads(data.decode("utf-8", "replace"))
            if document is None:
                return None
            if not isinstance(document, dict):
                raise ValueError("not a JSON object")  # noqa: TRY004  (of the text)
            found: T = take(document)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return found

    return read


def arguments_of(given: Any) -> str:
    """A tool's arguments as text, whether they came as text, as parts of it, or as an object."""
    if not given or not isinstance(given, dict | list | str):
        return ""
    if not isinstance(given, str):
        given = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    return text_of(given) or ""


def text_of(value: Any) -> str | None:
    """A string, or the joined text of a list of parts (`[{"type": "text", "text": "..."}]`)."""
    if isinstance(value, list):
        value = "".join(filter(None, map(_part, value)))
    return _SURROGATES.sub("\ufffd", value) if isinstance(value, str) else None


def whole_of(value: Any) -> int | None:
    """A count: a whole number, also one written as 12.0 or "12"."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    number = _number(value)
    return None if number is None or abs(number) >= 2**53 else int(number)


def _part(part: Any) -> str | None:
    return text_of(part.get("text")) if isinstance(part, dict) else text_of(part)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond all floats
        return None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return Decimal(value)
    number = _number(value)
    return None if number is None else Decimal(str(number))


def _label(value: Any) -> str | None:
    """A string, also one that was sent as a number."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)
    return text_of(value)


def _taker(kind: inspect.Type) -> _Take:
    """How a value of this type is taken from JSON; what does not fit is None."""
    match kind:
        case inspect.UnionType(types=types):
            return _first([_taker(one) for one in types if not isinstance(one, inspect.NoneType)])
        case inspect.StructType():
            return _struct(kind)
        case inspect.ListType(item_type=item):
            return _list(_taker(item))
        case inspect.StrType():
            return _label
        case inspect.IntType():
            return whole_of
        case inspect.FloatType():
            return _number
        case inspect.DecimalType():
            return _decimal
        case inspect.BoolType():
            return lambda value: value if isinstance(value, bool) else None
        case inspect.DictType():
            return lambda value: value if isinstance(value, dict) else None
        case inspect.AnyType():
            return _plain
    raise TypeError(f"{kind} has no place in a wire format")


def _first(takes: list[_Take]) -> _Take:
    """What the first of them can take."""
    if len(takes) == 1:
        return takes[0]
    return lambda value: next((one for take in takes if (one := take(value)) is not None), None)


def _plain(value: Any) -> Any:
    """Any value, in which no half of a character is left."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _list(take: _Take) -> _Take:
    def taken(values: Any) -> list[Any] | None:
        if isinstance(values, dict):  # some servers leave the list around a single object out
            values = [values]
        if not isinstance(values, list):
            return None
        return [found for found in map(take, values) if found is not None]

    return taken


def _struct(kind: inspect.Type) -> _Take:
    assert isinstance(kind, inspect.StructType)
    fields = [(field.encode_name, field.name, _taker(field.type)) for field in kind.fields]
    make = kind.cls

    def taken(value: Any) -> Any:
        if not isinstance(value, dict):
            return None
        found = {name: take(value[key]) for key, name, take in fields if key in value}
        return make(**{name: one for name, one in found.items() if one is not None})

    return taken
