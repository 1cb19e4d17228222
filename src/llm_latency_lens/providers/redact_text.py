"""Characters and digits, blanked one for one: nothing changes its width."""

from __future__ import annotations

import re

_SIMPLE = re.compile(rb"[ !#-\[\]-\x7f]*+")
_CHARACTER = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<high>\\u[dD][89abAB][0-9a-fA-F]{2})|(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<short>\\u00(?:0[89aAcCdD]|22|5[cC]))|(?P<control>\\u00[01][0-9a-fA-F])"
    rb'|(?P<unit>\\u[0-9a-fA-F]{4})|(?P<slash>\\/)|(?P<escape>\\["\\bfnrt])'
    rb"|(?P<letters>[ !#-\[\]-\x7f]++)"
    rb"|(?P<two>[\xc2-\xdf][\x80-\xbf])"
    rb"|(?P<three>(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf])"
    rb"|(?P<four>(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2})"
)
# Who writes a string out again writes some characters as they are, others in two or six. No two
# of these mean the same character: keys that differ must differ still.
_FIXED = {
    "pair": b"\\ud83d\\ude80",
    "high": b"\\ud83d",
    "low": b"\\ude42",
    "short": b"\\u0009",
    "control": b"\\u0001",
    "unit": b"\\u0142",
    "slash": b"\\/",
    "escape": b"\\n",
    "two": "é".encode(),
    "three": "文".encode(),
    "four": "🙂".encode(),
}
_TAG = re.compile(rb"(</?reasoning>|<EOS_TOKEN>)")
_ESCAPED = re.compile(rb"\\u[0-9a-f]{4}\Z")
_OTHERS = b"xyzabcdefghijklmnopqrstuvwABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ONES = bytes.maketrans(b"0123456789", b"1111111111")
_EXPONENT = re.compile(rb"([eE][+\-]?[0-9]++)")
_NUMBER = re.compile(rb"([0-9]++(?:\.[0-9]++)?+)((?:[eE][+\-]?[0-9]++)?+)")
_NOT_ZEROS = bytes.maketrans(b"23456789", b"11111111")
_EXACT = 15
"""Digits of a fraction that a double always keeps."""


class Names:
    """The keys of one object: those that differ still differ when they are blanked."""

    __slots__ = ("_alike", "_known")

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}
        self._alike: dict[bytes, int] = {}

    def blank(self, key: bytes) -> bytes:
        """A key with its quotes."""
        if (found := self._known.get(key)) is None:
            blank = string(key)
            number = self._alike[blank] = self._alike.get(blank, -1) + 1
            found = self._known[key] = b'"' + _variant(blank[1:-1], number) + b'"'
        return found


def string(token: bytes) -> bytes:
    """A JSON string with its quotes; the closing one may be missing.

    Signs of equality at its end stay, because base64 needs them, and the tags between which some
    models put their reasoning into the text.
    """
    inner = token[1:-1] if len(token) > 1 and token.endswith(b'"') else token[1:]
    tail = token[1 + len(inner) :]
    if b"<" in inner and _TAG.search(inner):
        pieces = _TAG.split(inner)
        pieces[::2] = map(_spoken, pieces[::2])
        return b'"' + b"".join(pieces) + tail
    return b'"' + _spoken(inner) + tail


def _spoken(inner: bytes) -> bytes:
    if _SIMPLE.fullmatch(inner):
        letters = len(inner.rstrip(b"="))
        return b"x" * letters + inner[letters:]
    return _CHARACTER.sub(_one, inner)


def words(text: bytes) -> bytes:
    """Text outside JSON: its spaces stay, so that what a decoder strips is the same."""
    return b"".join(
        piece
        if piece.isspace()
        else _CHARACTER.sub(_one, piece.replace(b"\\", b"/").replace(b'"', b"'"))
        for piece in re.split(rb"(\s+)", text)
    )


def ones(numbers: bytes) -> bytes:
    """Numbers that stand for words: their digits go, their size stays about what it was."""
    if b"e" not in numbers and b"E" not in numbers:
        return numbers.translate(_ONES)
    pieces = _EXPONENT.split(numbers)
    pieces[::2] = [piece.translate(_ONES) for piece in pieces[::2]]
    return b"".join(pieces)


def digits(numbers: bytes) -> bytes:
    """Numbers that are written out again by who reads them: zeros and exponents stay, so that
    their shortest form has the same length as before."""
    return _NUMBER.sub(_like, numbers)


def _like(found: re.Match[bytes]) -> bytes:
    blank = found[1].translate(_NOT_ZEROS) + found[2]
    doubtful = found[2] or (b"." in found[1] and len(found[1]) > _EXACT)
    if doubtful and len(repr(float(blank))) != len(repr(float(found[0]))):
        return found[0]
    return blank


def _one(found: re.Match[bytes]) -> bytes:
    """One character; what is not valid stays as it is, so that it fails again."""
    kind = found.lastgroup
    assert kind is not None
    return b"x" * len(found[0]) if kind == "letters" else _FIXED[kind]


def _variant(blank: bytes, number: int) -> bytes:
    """Another string of the same width for each number, as far as its characters allow."""
    if number == 0:
        return blank
    cut = blank.rfind(b"x")
    if cut >= 0:
        rest, place = divmod(number, len(_OTHERS))
        return _variant(blank[:cut], rest) + _OTHERS[place : place + 1] + blank[cut + 1 :]
    if _ESCAPED.search(blank):
        return blank[:-4] + b"%04x" % (int(blank[-4:], 16) + number)
    try:
        last = blank.decode()[-1:]
    except UnicodeDecodeError:
        return blank
    other = chr(ord(last) + number).encode() if last > "\x7f" else b""
    width = len(last.encode())
    return blank[:-width] + other if len(other) == width else blank
