"""Blanks what was said in a captured body, so that the rest of it can be kept.

The bytes keep their number and their places; so does every character, escape, brace and key. A
decoder therefore finds the same events, stamps, lengths, counts and errors in what is left.

Blanked are all JSON strings but those under a structural key, lists of whole numbers (token ids,
the `bytes` of log probabilities), every number within log probabilities, and any text outside
JSON: comments of a stream, plain bodies, HTML but for its title. Kept is what a provider says of
an error, unless it repeats the input. A letter becomes `x`; longer characters and escapes become
one fixed character or escape of their own width.

Ordinary events go through one regular expression. Only a body that mentions an error, or that
holds log probabilities or arguments that are no string, is walked through with its nesting.
"""

from __future__ import annotations

import re

from .sse import looks_like_events
from .texts import ECHO, KEYS


def _compile(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("latin-1"))


# Under these keys stand names that the protocol fixes or the server makes, never words of the
# model. The value must look like a name, too: no space and no escape.
_NAMES = (
    "id|object|role|(?:finish|stop|done)_reason|stop_type|type|code|error_type|event|index"
    "|system_fingerprint|service_tier|[a-z_]*_tokens"
)
# How an answer ended, by the words that the protocol fixes.
_ENDS = (
    "status|reason",
    "completed|incomplete|failed|cancelled|in_progress|queued|max_output_tokens|content_filter",
)
# Within these the model, or the prompt, decides about the keys as well.
_OPAQUE = frozenset((b"arguments", b"logprobs", b"prompt_logprobs", b"completion_probabilities"))
_LOGS = _OPAQUE - {b"arguments"}
_SPOKEN = frozenset((b"error", b"message", b"detail", b"msg", b"loc"))
"""Keys under which an error is put into words."""

_STRING = r'"(?:[^"\\\r\n]++|\\[^\r\n])*+(?:"|\\?+(?=[\r\n]|\Z))'
_START = r"(?:(?<![^\r\n])|(?<=\xef\xbb\xbf))"
_COLON = r"[ \t]*+:\s*+"
_BEFORE_KEY = rf"[{{,](?:\s|{_START}data:)*+"
_NAMED = (
    rf'"(?:{_NAMES})"{_COLON}"[^"\\\s]*+"|"model"{_COLON}{_STRING}'
    rf'|"(?:{_ENDS[0]})"{_COLON}"(?:{_ENDS[1]})"'
)
_DIGITS = r"[0-9]++(?:\.[0-9]++)?+(?:[eE][+\-]?[0-9]++)?+"
_SCALAR = rf"null\b|true\b|false\b|NaN\b|-?(?:Infinity\b|{_DIGITS})"
_FIELD = (
    rf"{_START}(?:(?:data|error|id|retry):|(?:data|error|event:[ ]?[\w.\-]{{0,60}})(?=[\r\n]|\Z))"
    r"|\[DONE\](?=\s|\Z)|\xef\xbb\xbf"
)
_LIST = r"\[\s*+-?[0-9]++(?:\s*+,\s*+-?[0-9]++)*+\s*+\]"

# A run of structure, names included; then at most one thing to blank.
_PLAIN = _compile(
    rf"(?:{_BEFORE_KEY}(?:{_NAMED}|{_STRING}{_COLON}(?:{_SCALAR})?+)"
    rf"|[\s}}\]:]++|[{{,]|{_FIELD}|{_SCALAR}|(?!{_LIST})\[)*+"
    rf"(?:(?P<string>{_STRING})|(?P<list>{_LIST})|(?P<rest>[^\r\n]++))?+"
)
_TOKEN = _compile(
    rf"(?P<key>{_STRING}){_COLON}|(?P<string>{_STRING})|(?P<list>{_LIST})|(?P<open>[{{\[])"
    rf"|(?P<close>[}}\]])|(?P<skip>[\s:,]|{_FIELD}|{_SCALAR})|(?P<rest>[^\r\n]++)"
)
# What may need the nesting. Separate patterns, because each then has a fixed beginning to look for.
_NESTED = tuple(
    re.compile(pattern).search
    for pattern in (
        rb'"error"\s*+:',
        rb'"detail"\s*+:',
        rb'"message"\s*+:\s*+"',
        rb'"arguments"\s*+:\s*+[\[{]',
        rb'logprobs"\s*+:\s*+[\[{]',
        rb'"completion_probabilities"\s*+:\s*+[\[{]',
        rb"event:\s*+error",
        rb"error:",
    )
)
_BETWEEN = re.compile(rb"((?:\r\n|\n|\r(?!\n)){2,})")
_NAMED_ERROR = _compile(rf"{_START}(?:event:[ ]?error|error:)")
# Cohere's errors: an object that holds a message and a label, and nothing besides.
_BARE_ERROR = _compile(
    rf'\s*+(?:{_START}data:\s*+)?+\{{(?=[^{{}}]*"(?:id|code|type)"{_COLON})(?:\s*+"(?:id|message|code|status|type|request_id)"{_COLON}'
    rf"(?:{_STRING}|{_SCALAR})\s*+,?+)++\s*+\}}\s*+\Z"
)
_NAME = _compile(rf"(?:{_NAMES})\Z")
_NAME_LIKE = re.compile(rb'"[^"\\\s]*"')
_END_KEY, _END = _compile(rf"(?:{_ENDS[0]})\Z"), _compile(rf'"(?:{_ENDS[1]})"\Z')
_TITLE = re.compile(rb"(?is)\A\s*<|<title[^>]*>[^<]*<?")

_SIMPLE = re.compile(rb"[ !#-\[\]-\x7f]*+")
_CHARACTER = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<high>\\u[dD][89abAB][0-9a-fA-F]{2})|(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb'|(?P<unit>\\u[0-9a-fA-F]{4})|(?P<escape>\\["\\/bfnrt])|(?P<letters>[ !#-\[\]-\x7f]++)'
    rb"|(?P<two>[\xc2-\xdf][\x80-\xbf])"
    rb"|(?P<three>(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf])"
    rb"|(?P<four>(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2})"
)
_FIXED = {
    "pair": b"\\ud83d\\ude42",
    "high": b"\\ud83d",
    "low": b"\\ude42",
    "unit": b"\\u0078",
    "escape": b"\\n",
    "two": "é".encode(),
    "three": "文".encode(),
    "four": "🙂".encode(),
}
_GAPS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_ONES = bytes.maketrans(b"0123456789", b"1111111111")


def redact(body: bytes) -> bytes:
    """The same bytes without what was said. Idempotent; the length never changes.

    `body` is a whole body, or a part of a stream that begins and ends between two events.
    """
    if body.lstrip().startswith(b"<"):
        return _page(body)
    if not _nested(body):
        return _PLAIN.sub(_blank_last, body)
    if not looks_like_events(body):
        return _walk(body)
    parts = _BETWEEN.split(body)
    return b"".join(
        _walk(part) if _nested(part) else _PLAIN.sub(_blank_last, part) for part in parts
    )


def safe_prefix(body: bytes | bytearray, start: int) -> int:
    """How far `body` can be redacted now: the end of its last complete event, at least `start`.

    A body that is no stream can be redacted only once it is whole.
    """
    if not looks_like_events(bytes(body[:64])):
        return start
    ends = (body.rfind(gap, start) + len(gap) for gap in _GAPS if body.find(gap, start) >= 0)
    return max(ends, default=start)


def _nested(body: bytes) -> bool:
    return any(search(body) for search in _NESTED)


def _blank_last(found: re.Match[bytes]) -> bytes:
    kind = found.lastgroup
    if kind is None:
        return found[0]
    cut = found.start(kind) - found.start()
    return found[0][:cut] + _blanked(kind, found[kind])


def _blanked(kind: str, data: bytes) -> bytes:
    if kind == "string":
        return _string(data)
    return data.translate(_ONES) if kind == "list" else _loose(data)


def _string(token: bytes) -> bytes:
    """A JSON string with its quotes; the closing one may be missing."""
    inner = token[1:-1] if len(token) > 1 and token.endswith(b'"') else token[1:]
    tail = token[1 + len(inner) :]
    if _SIMPLE.fullmatch(inner):
        return b'"' + b"x" * len(inner) + tail
    return b'"' + _CHARACTER.sub(_one, inner) + tail


def _one(found: re.Match[bytes]) -> bytes:
    """One character; what is not valid stays as it is, so that it fails again."""
    kind = found.lastgroup
    assert kind is not None
    return b"x" * len(found[0]) if kind == "letters" else _FIXED[kind]


def _loose(text: bytes) -> bytes:
    """Text outside JSON: its spaces stay, so that what a decoder strips is the same."""
    return b"".join(
        piece
        if piece.isspace()
        else _CHARACTER.sub(_one, piece.replace(b"\\", b"/").replace(b'"', b"'"))
        for piece in re.split(rb"(\s+)", text)
    )


def _page(body: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for found in _TITLE.finditer(body):
        pieces += [_loose(body[at : found.start()]), found[0]]
        at = found.end()
    return b"".join((*pieces, _loose(body[at:])))


def _walk(body: bytes) -> bytes:
    """One event or document with its nesting."""
    out: list[bytes] = []
    path: list[bytes] = []
    key = b""
    failed = bool(_NAMED_ERROR.search(body) or _BARE_ERROR.match(body))
    for found in _TOKEN.finditer(body):
        kind, token = found.lastgroup, found[0]
        assert kind is not None
        if kind == "open":
            path.append(key)
        elif kind == "close":
            key = path.pop() if path else b""
        elif kind == "key":
            key = found["key"][1:-1]
            failed = failed or (key == b"statusCode" and len(path) == 1)
        elif kind == "string":
            inside = path[1:]
            kept = key in (b"object", b"type") and len(path) == 1
            failed = failed or (kept and token == b'"error"')
            token = _value(key, inside, token, failed=failed or b"error" in inside)
        elif kind == "skip":
            if _LOGS.intersection(path):
                token = token.translate(_ONES)
        else:
            token = _blanked(kind, token)
        out.append(token)
    return b"".join(out)


def _value(key: bytes, inside: list[bytes], token: bytes, *, failed: bool) -> bytes:
    if _OPAQUE.intersection(inside):
        return _string(token)
    if key == b"model" or (_NAME.match(key) and _NAME_LIKE.fullmatch(token)):
        return token
    if _END_KEY.match(key) and _END.match(token):
        return token
    spoken = failed or key in (b"error", b"detail") or b"detail" in inside
    if spoken and key in _SPOKEN and token.endswith(b'"'):
        return _kept(token)
    return _string(token)


def _kept(token: bytes) -> bytes:
    """What a provider says of an error, but for keys, and unless it repeats what was sent."""
    text = token.decode("utf-8", "surrogateescape")
    if ECHO.search(text):
        return _string(token)
    return KEYS.sub(_starred, text).encode("utf-8", "surrogateescape")


def _starred(found: re.Match[str]) -> str:
    """A key of the same width, which is still recognised as one."""
    filler = "x" if found["head"].startswith("*") else "*"
    return found["head"] + filler * len(found["secret"].encode("utf-8", "surrogateescape"))
