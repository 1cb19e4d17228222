"""Google's embeddings: embedContent of both its APIs, and predict of Vertex AI's older models."""

from __future__ import annotations

from typing import Any

import msgspec

from ..record import Record
from ..timeline import Timeline
from . import typed
from .answer import CHECK, Answer, count
from .common import begin, refused
from .errors_map import read_complaint
from .google_chat import fill_usage
from .google_wire import Counts


def content_body(text: str) -> dict[str, Any]:
    """The body of embedContent."""
    return {"content": {"parts": [{"text": text}]}}


def instances_body(text: str) -> dict[str, Any]:
    """The body of predict."""
    return {"instances": [{"content": text}]}


class Statistics(msgspec.Struct, gc=False):
    token_count: int | None = None


class Vector(msgspec.Struct, gc=False):
    values: list[Any] | None = None
    statistics: Statistics | None = None


class Prediction(msgspec.Struct, gc=False):
    embeddings: Vector | None = None


class Document(msgspec.Struct, gc=False, rename="camel"):
    """One vector of embedContent, several of batchEmbedContents, or those of predict."""

    embedding: Vector | None = None
    embeddings: list[Vector] | None = None
    predictions: list[Prediction] | None = None
    usage_metadata: Counts | None = None
    error: Any = None

    def vectors(self) -> list[Vector]:
        found = [self.embedding, *(self.embeddings or ())]
        found += [one.embeddings for one in self.predictions or ()]
        return [one for one in found if one is not None and one.values]


_read = typed.reader(Document)


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    answer = Answer()
    if found := answer.document_of(bytes(timeline.body), timeline, _read):
        document, _, text = found
        if vectors := document.vectors():
            answer.chunks += 1
            answer.end_read = len(timeline.ends) - 1
            _count(answer, document, vectors)
        elif document.error:
            answer.complain(read_complaint(text))
        else:
            answer.problem = f"a JSON document without embeddings came as the answer; {CHECK}"
    return answer.settle(record, timeline, lack="no embeddings came")


def _count(answer: Answer, document: Document, vectors: list[Vector]) -> None:
    fill_usage(answer, document.usage_metadata or Counts())
    tokens = [count(one.statistics.token_count) if one.statistics else None for one in vectors]
    if answer.usage.input is None and None not in tokens:
        answer.usage.input = sum(one or 0 for one in tokens)
