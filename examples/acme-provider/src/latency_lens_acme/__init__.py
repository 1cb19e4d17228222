"""Acme's API for latency-lens: what is sent, what comes back, and a row for the table.

    POST {base}/v1/generate          authorization: Bearer KEY
    {"engine": "acme-1", "input": "Say hello", "limit": 64, "stream": true}

    data: {"kind": "open", "id": "a-1"}
    data: {"kind": "thought", "text": "Someone greets."}
    data: {"kind": "words", "text": "Hello"}
    data: {"kind": "close", "why": "finished", "counts": {"read": 5, "written": 7}}

A failure inside a stream is an event of the kind `trouble`, with a `code` and a `message`.
"""

from __future__ import annotations

import msgspec

from llm_latency_lens.providers import Provider
from llm_latency_lens.providers.answer import CHECK, Answer, count, events_of, is_stream
from llm_latency_lens.providers.asking import address, ask, bearer, limit_of
from llm_latency_lens.providers.common import begin, refused
from llm_latency_lens.providers.errors_map import Complaint
from llm_latency_lens.providers.typed import reader
from llm_latency_lens.record import EventKind, Record
from llm_latency_lens.request import Prompt, Request, Target
from llm_latency_lens.timeline import Timeline


class Counts(msgspec.Struct):
    read: int | None = None
    written: int | None = None


class Event(msgspec.Struct):
    kind: str = ""
    text: str | None = None
    id: str | None = None
    why: str | None = None
    code: str | None = None
    message: str | None = None
    counts: Counts | None = None


read = reader(Event)
SPOKEN = {"words": EventKind.TEXT, "thought": EventKind.REASONING}


def build(target: Target, prompt: Prompt) -> Request:
    """The request that puts `prompt` to `target`."""
    body = {"engine": target.model, "input": prompt.text, "stream": target.stream}
    if (limit := limit_of(target, prompt)) is not None:
        body["limit"] = limit
    url = address(target.base_url, "/generate", "/v1")
    return ask(target, prompt, url, body, bearer(target))


def decode(timeline: Timeline) -> Record:
    """What a captured request came to."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    answer, body = Answer(), bytes(timeline.body)
    if is_stream(body, timeline):
        for event, _, place, _ in answer.chunks_of(events_of(timeline, body), read):
            take(answer, event, place)
    elif answer.document_of(body, timeline, read):
        answer.problem = f"one JSON document came where a stream was asked for; {CHECK}"
    return answer.settle(record, timeline, lack="the stream ended without its closing event")


def take(answer: Answer, event: Event, place: int) -> None:
    answer.chunks += 1
    answer.id = answer.id or event.id
    if event.kind == "trouble":
        answer.complain(Complaint(event.message or "", event.code))
    elif event.kind in SPOKEN and event.text:
        answer.thought = answer.thought or event.kind == "thought"
        answer.say(SPOKEN[event.kind], event.text, place)
    elif event.kind == "close":
        answer.finish_reason, answer.end_read = event.why, place
        if event.counts:
            answer.usage.input = count(event.counts.read)
            answer.usage.output = count(event.counts.written)


ACME = Provider(
    "acme",
    "Acme's generation API",
    "https://api.acme.example",
    build,
    decode,
    key_env=("ACME_API_KEY",),
    needs_key=True,
    small_model="acme-1",
)
