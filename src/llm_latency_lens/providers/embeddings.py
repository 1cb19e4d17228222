"""OpenAI's embeddings, and every server that speaks them: request out, record in."""

from __future__ import annotations

from typing import Any

import msgspec

from ..record import Record
from ..request import Prompt, Request, Target
from ..timeline import Timeline
from . import typed
from .answer import Answer
from .asking import address, bearer
from .one_piece import Counts, ask_whole, decode_whole, inputs_of, listed, vectors_problem
from .provider import Dialect

PATH = "/embeddings"


class Item(msgspec.Struct, gc=False):
    embedding: Any = None


class Document(msgspec.Struct, gc=False):
    data: list[Item] | None = None
    id: str | None = None
    model: str | None = None
    usage: Counts | None = None


read = listed("data", typed.reader(Document))


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that has the texts of `prompt` embedded."""
    url = address(target.base_url, PATH)
    return ask_whole(target, prompt, url, body_of(target, prompt), bearer(target))


def body_of(target: Target, prompt: Prompt) -> dict[str, Any]:
    """The body of the request, without what the user adds to it."""
    texts = inputs_of(prompt)
    return {"model": target.model, "input": texts if prompt.documents else texts[0]}


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    return decode_whole(timeline, read, _take)


def _take(answer: Answer, document: Document) -> str | None:
    answer.id, answer.model = document.id, document.model
    if document.usage:
        answer.usage.input = document.usage.read()
    return vectors_problem(item.embedding for item in document.data or ())


EMBEDDINGS = Dialect(build, decode)
"""For the row of a provider whose base URL is followed by `/embeddings`."""
