"""What is answered in one piece, with no tokens to wait for: embeddings and ranks.

The record of such an answer has no content event, hence no TTFT; what it has is an end, and a
count of what was read. A format supplies a type for its document and a function that says what of
it goes where, and what is wrong with it.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any, TypeVar

import msgspec

from ..record import Record
from ..request import Prompt, Request, Target
from ..timeline import Timeline
from .answer import CHECK, Answer, Read, count
from .asking import ask
from .common import begin, refused
from .errors_map import read_complaint

T = TypeVar("T")
Take = Callable[[Answer, T], str | None]
"""Puts into the answer what a document says; gives what is wrong with it, None where it is sound.
"""


class Counts(msgspec.Struct, gc=False):
    """OpenAI's `usage`. Nothing is written, so that the total is what was read."""

    prompt_tokens: int | None = None
    total_tokens: int | None = None

    def read(self) -> int | None:
        return count(self.prompt_tokens) or count(self.total_tokens)


def ask_whole(
    target: Target,
    prompt: Prompt,
    url: str,
    body: Mapping[str, Any],
    headers: Iterable[tuple[str, str]] = (),
) -> Request:
    """The request of that body, without a stream and without a limit of tokens."""
    request = ask(replace(target, stream=False), prompt, url, body, headers)
    return replace(request, max_tokens=None)


def inputs_of(prompt: Prompt) -> list[str]:
    """The texts that one request embeds: the prompt's documents, or else its own text."""
    return list(prompt.documents) or [prompt.text]


def decode_whole(timeline: Timeline, parse: Read[T], take: Take[T]) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    record.stream = False
    if refused(timeline, record):
        return record
    answer = Answer()
    if found := answer.document_of(bytes(timeline.body), timeline, parse):
        document, place, text = found
        if problem := take(answer, document):
            complaint = read_complaint(text) if text.startswith(b"{") else None
            if complaint and complaint.message:
                answer.complain(complaint)
            else:
                answer.problem = f"{problem}; {CHECK}"
        else:
            answer.end_read = place
    answer.settle(record, timeline, lack="the document is not whole")
    if record.usage.input is not None:
        record.tokens_source = "usage"
    return record


def listed(name: str, parse: Read[T]) -> Read[T]:
    """The same reader, for which a bare list is an object with that list under `name`."""
    wrapped = b'{"%b":%%b}' % name.encode()
    return lambda data: parse(wrapped % data if data.startswith(b"[") else data)


def vectors_problem(vectors: Iterable[Any]) -> str | None:
    """What is wrong with the vectors of an answer; None where there are some and all are sound.

    A vector is a list of finite numbers, a list of such lists (one for each token), or base64 text;
    what the bytes of that are, an answer does not say.
    """
    number = 0
    for number, vector in enumerate(vectors, 1):
        if not (_base64(vector) if isinstance(vector, str) else _numbers(vector)):
            return f"embedding {number} of the answer is no list of finite numbers"
    return None if number else "a JSON document without embeddings came as the answer"


def is_number(value: Any) -> bool:
    """A number of JSON that is finite."""
    try:
        return not isinstance(value, bool) and isfinite(value)
    except (TypeError, OverflowError):
        return False


def _numbers(vector: Any, *, nested: bool = False) -> bool:
    if not isinstance(vector, list) or not vector:
        return False
    try:
        return all(map(isfinite, vector))
    except OverflowError:
        return False
    except TypeError:
        return not nested and all(_numbers(one, nested=True) for one in vector)


def _base64(text: str) -> bool:
    try:
        return bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return False
