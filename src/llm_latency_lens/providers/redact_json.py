"""Blanks the words in JSON, and in what stands around it: an event, a document, or many.

Most of it goes through one regular expression, which knows no nesting. What needs it (an error,
whose words stay; an object of the model's own, whose keys go too) is walked through token by token.
"""

from __future__ import annotations

import re

from .redact_text import Names, digits, ones, string, words
from .texts import ECHO, KEYS


def _compile(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("latin-1"))


# Under these keys stand names that the protocol fixes or the server makes, never words of the
# model. The value must look like a name, too: no space and no escape.
# By their beginnings: a key is held against them once in each event.
_NAMES = (
    "amazon-bedrock-guardrailAction|id|i(?:tem_id|ndex)|object|t(?:ype|tl|rafficType)|__type"
    "|r(?:ole|esponseId)|mod(?:ality|elVersion)"
    "|s(?:tatus|peed|top_(?:reason|type)|topReason|ystem_fingerprint|ervice(?:_t|T)ier)"
    "|e(?:vent(?:_type)?|rror_type)|(?:block|completion)Reason|finish(?:_r|R)eason|done_reason"
    "|[a-zA-Z_]++(?<=[tT]okens)"
)
# And under these where an error is told.
_CAUSES = (
    "code|error_code|reason|domain|@type|retryDelay|quotaId|quotaMetric|quotaValue"
    "|quota_limit|quota_metric"
)
_SPOKEN = frozenset(
    (b"error", b"message", b"Message", b"originalMessage", b"detail", b"msg", b"loc")
)
"""Keys under which an error is put into words."""
_ALWAYS_SPOKEN = frozenset((b"error", b"detail", b"blockReasonMessage"))

# Zones of a document, by the key of the object or list in which they begin.
_PLAIN, _ERROR, _WHY, _LOGS, _PIECES, _FREE = range(6)
_ZONES = {
    b"error": _ERROR,
    b"detail": _ERROR,
    b"Output": _ERROR,
    b"incomplete_details": _WHY,
    b"finishReason": _WHY,
    # Numbers that stand for words, and words under any key.
    **dict.fromkeys(
        (b"logprobs", b"prompt_logprobs", b"completion_probabilities", b"logprobsResult"), _LOGS
    ),
    b"partialArgs": _PIECES,
    # The model, or the user, decides about the keys as well.
    **dict.fromkeys(
        (
            *(b"arguments", b"args", b"input", b"parameters"),
            *(b"tool_output", b"document", b"documents"),
            *(b"action", b"actions", b"operation"),
        ),
        _FREE,
    ),
}

_STRING = r'"(?:[^"\\\r\n]++|\\[^\r\n])*+(?:"|\\?+(?=[\r\n]|\Z))'
_START = r"(?:(?<![^\r\n])|(?<=\xef\xbb\xbf))"
_COLON = r"[ \t]*+:\s*+"
_BEFORE_KEY = rf"[{{,](?:\s|{_START}data:)*+"
_NAMED = (
    rf'"(?:{_NAMES})"{_COLON}"[^"\\\s]*+"|"model"{_COLON}{_STRING}'
    rf'|"(?:incomplete_details|finishReason)"{_COLON}\{{\s*+"reason"{_COLON}"[^"\\\s]*+"'
)
_DIGITS = r"[0-9]++(?:\.[0-9]++)?+(?:[eE][+\-]?[0-9]++)?+"
_SCALAR = rf"null\b|true\b|false\b|NaN\b|-?(?:Infinity\b|{_DIGITS})"
_FIELD = (
    rf"{_START}(?:(?:data|error|id|retry):|(?:data|error|event:[ ]?[\w.\-]{{0,64}})(?=[\r\n]|\Z))"
    r"|\[DONE\](?=\s|\Z)|\xef\xbb\xbf"
)
_LIST = rf"\[\s*+(?:{_SCALAR})(?:\s*+,\s*+(?:{_SCALAR}))*+\s*+\]"

# Brackets that close stay: a broken event ends where it ended.
_REST = r"[^\r\n}\]]++"

# A run of structure, names included; then at most one thing to blank.
_PLAIN_RUN = _compile(
    rf"(?:{_BEFORE_KEY}(?:{_NAMED}|{_STRING}{_COLON}(?:{_SCALAR})?+)"
    rf"|[\s}}\]:]++|[{{,]|{_FIELD}|{_SCALAR}|(?!{_LIST})\[)*+"
    rf"(?:(?P<string>{_STRING})|(?P<list>{_LIST})|(?P<rest>{_REST}))?+"
)
_TOKEN = _compile(
    rf"(?P<key>{_STRING}){_COLON}|(?P<string>{_STRING})|(?P<list>{_LIST})|(?P<open>[{{\[])"
    rf"|(?P<close>[}}\]])|(?P<scalar>{_SCALAR})|(?P<skip>[\s:,]|{_FIELD})|(?P<rest>{_REST})"
)
# What may need the nesting. Each begins with fixed bytes, which are looked for first: that is fast.
_NESTED = tuple(
    (part.encode(), _compile(part + rest).search)
    for part, rest in (
        ("error", r'"\s*+:|:|(?<=[:\s]error)(?=[\r\n]|\Z)'),
        ('detail"', r"\s*+:"),
        ('essage"', r'\s*+:\s*+"'),
        ("prob", r'(?:s(?:Result)?|abilities)"\s*+:\s*+[\[{]'),  # logprobs and their kin
        ('rgs"', r"\s*+:\s*+[\[{]"),  # args
        ("ument", r's?+"\s*+:\s*+[\[{]'),  # arguments, documents
        ('put"', r"\s*+:\s*+[\[{]"),  # input, tool_output, Output
        ('eters"', r"\s*+:\s*+[\[{]"),  # parameters
        ('"action', r's?+"\s*+:\s*+[\[{]'),
        ('"operation"', r"\s*+:\s*+[\[{]"),
    )
)
_NAMED_ERROR = _compile(rf"{_START}(?:event:[ ]?error|error:)")
_NAME = _compile(rf"(?:{_NAMES})\Z")
_CAUSE = _compile(rf"(?:{_NAMES}|{_CAUSES})\Z")
_NAME_LIKE = re.compile(rb'"[^"\\\s]*"')


def nested(body: bytes) -> bool:
    """Whether a body has to be walked through."""
    return any(part in body and search(body) for part, search in _NESTED)


def plain(body: bytes) -> bytes:
    """A body, of any number of events, that needs no nesting."""
    return _PLAIN_RUN.sub(_blank_last, body)


def _blank_last(found: re.Match[bytes]) -> bytes:
    kind = found.lastgroup
    if kind is None:
        return found[0]
    cut = found.start(kind) - found.start()
    return found[0][:cut] + _blanked(kind, found[kind])


def _blanked(kind: str, data: bytes) -> bytes:
    if kind == "string":
        return string(data)
    return ones(data) if kind == "list" else words(data)


def walk(body: bytes, *, failed: bool = False) -> bytes:
    """One event or document with its nesting; `failed` says that it tells of an error."""
    walker = _Walker(failed or _NAMED_ERROR.search(body) is not None or _is_complaint(body))
    return b"".join(map(walker.take, _TOKEN.finditer(body)))


def _is_complaint(body: bytes) -> bool:
    """Whether the outermost object is that of an error."""
    depth, key = 0, b""
    for found in _TOKEN.finditer(body):
        kind, token = found.lastgroup, found[0]
        depth += (token == b"{") - (token == b"}")
        if depth != 1:
            continue
        if kind == "key":
            key = found["key"][1:-1]
        told = key == b"object" and token == b'"error"'
        if key == b"statusCode" or (kind == "string" and (told or key in (b"message", b"Message"))):
            return True
    return False


class _Walker:
    """Blanks token by token, and knows in which zone it is."""

    __slots__ = ("_failed", "_key", "_names", "_outer", "_zone")

    def __init__(self, failed: bool) -> None:
        self._failed = failed
        self._key = b""
        self._zone = _PLAIN
        self._names: Names | None = None
        """Keys of the innermost object, where they are blanked."""
        self._outer: list[tuple[bytes, int, Names | None]] = []

    def take(self, found: re.Match[bytes]) -> bytes:
        kind, token = found.lastgroup, found[0]
        match kind:
            case "open":
                self._outer.append((self._key, self._zone, self._names))
                if self._zone == _PLAIN:
                    self._zone = _ZONES.get(self._key, _PLAIN)
                self._names = Names() if self._zone == _FREE else None
            case "close":
                if self._outer:
                    self._key, self._zone, self._names = self._outer.pop()
            case "key":
                name = found["key"]
                self._key = name[1:-1]
                return self._names.blank(name) + token[len(name) :] if self._names else token
            case "string":
                return self._value(token)
            case "list" | "scalar":
                return self._number(token, kind)
            case "rest":
                return words(token)
        return token

    def _number(self, token: bytes, kind: str) -> bytes:
        if self._zone in (_PIECES, _FREE):
            return digits(token)
        return ones(token) if kind == "list" or self._zone == _LOGS else token

    def _value(self, token: bytes) -> bytes:
        key, zone = self._key, self._zone
        if zone >= _LOGS:
            return string(token)
        told = self._failed or zone == _ERROR
        if key == b"model" or (zone == _WHY and key == b"reason"):
            return token
        if (_CAUSE if told else _NAME).match(key) and _NAME_LIKE.fullmatch(token):
            return token
        spoken = key in _ALWAYS_SPOKEN or (told and key in _SPOKEN)
        return _kept(token) if spoken and token.endswith(b'"') else string(token)


def _kept(token: bytes) -> bytes:
    """What a provider says of an error, but for keys, and unless it repeats what was sent."""
    text = token.decode("utf-8", "surrogateescape")
    if ECHO.search(text):
        return string(token)
    return KEYS.sub(_starred, text).encode("utf-8", "surrogateescape")


def _starred(found: re.Match[str]) -> str:
    """A key of the same width, which is still recognised as one."""
    filler = "x" if found["head"].startswith("*") else "*"
    return found["head"] + filler * len(found["secret"].encode("utf-8", "surrogateescape"))
