"""Ranks of documents for a query, as Jina, Cohere and all who followed them have it.

There is no one owner of this format. Scores are called `relevance_score`, or `score` by Text
Embeddings Inference and SGLang, whose answer is the bare list.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from ..record import Record
from ..request import Prompt, Request, Target
from ..timeline import Timeline
from . import typed
from .answer import Answer, count
from .asking import address, bearer
from .one_piece import Counts, ask_whole, decode_whole, is_number, listed
from .provider import Dialect

PATH = "/rerank"


class Rank(msgspec.Struct, gc=False):
    index: int | None = None
    relevance_score: Any = None
    score: Any = None

    def sound(self) -> bool:
        score = self.score if self.relevance_score is None else self.relevance_score
        return count(self.index) is not None and is_number(score)


class Counted(msgspec.Struct, gc=False):
    """Cohere's counts, which have a fraction of zero."""

    input_tokens: float | None = None


class Billed(msgspec.Struct, gc=False):
    """What Cohere charges for."""

    search_units: float | None = None


class Meta(msgspec.Struct, gc=False):
    tokens: Counted | None = None
    billed_units: Billed | None = None


class Document(msgspec.Struct, gc=False):
    """`data` is Voyage's name for the results."""

    results: list[Rank] | None = None
    data: list[Rank] | None = None
    id: str | None = None
    model: str | None = None
    usage: Counts | None = None
    meta: Meta | None = None

    def read(self) -> int | None:
        """Tokens that were read."""
        if self.usage:
            return self.usage.read()
        tokens = self.meta.tokens if self.meta else None
        return count(typed.whole_of(tokens.input_tokens)) if tokens else None

    def searched(self) -> int | None:
        """Searches that are charged for."""
        billed = self.meta.billed_units if self.meta else None
        return count(typed.whole_of(billed.search_units)) if billed else None


read = listed("results", typed.reader(Document))


def build(target: Target, prompt: Prompt, *, version: str = "") -> Request:
    """The HTTP request that has the prompt's documents ranked by its text."""
    body = {"model": target.model, "query": prompt.text, "documents": list(prompt.documents)}
    url = address(target.base_url, PATH, version)
    return ask_whole(target, prompt, url, body, bearer(target))


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    return decode_whole(timeline, read, _take)


def _take(answer: Answer, document: Document) -> str | None:
    answer.id, answer.model = document.id, document.model
    answer.usage.input, answer.usage.searches = document.read(), document.searched()
    ranks = document.results or document.data
    if not ranks:
        return "a JSON document without results came as the answer"
    for number, rank in enumerate(ranks, 1):
        if not rank.sound():
            return f"result {number} of the answer lacks its index or its score"
    return None


RERANK = Dialect(build, decode)
"""For the row of a provider whose base URL is followed by `/rerank`."""
COHERE = Dialect(partial(build, version="/v2"), decode)
"""For Cohere's own row: `/v2/rerank`."""
