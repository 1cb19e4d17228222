"""Google's generateContent: the body that asks, and what its chunks come to.

The Gemini API and Vertex AI differ in their addresses and in how one proves who asks; what is sent
and what comes back is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from msgspec.structs import astuple

from ..errors import UsageError
from ..record import EventKind, Record
from ..request import Message, Prompt, Target
from ..timeline import ErrorKind, Timeline
from .answer import CHECK, Answer, BrokenOff, count, events_of, is_stream
from .asking import limit_of
from .common import begin, refused
from .errors_map import Complaint, read_complaint
from .google_stream import bare_object, elements, is_array
from .google_wire import Candidate, Carried, Chunk, Counts, ModalityCount, joined, read
from .sse import Event
from .texts import one_line

_SYSTEM = frozenset(("system", "developer"))
_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
_COUNTS = Counts.__struct_fields__
_TIER_HEADER = "x-gemini-service-tier"

_SPOILT = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE")

# Finish reasons that stand for a failure. An answer that a filter cut short (SAFETY and its like)
# is an answer, as it is in every format. The API's own words for some repeat what the model said.
BROKEN_OFF: BrokenOff = {
    **{
        reason: (ErrorKind.SERVER, f"the model's output was unusable (finishReason {reason})")
        for reason in _SPOILT
    },
    "MISSING_THOUGHT_SIGNATURE": (
        ErrorKind.BAD_REQUEST,
        "the request lacks a thought signature (finishReason MISSING_THOUGHT_SIGNATURE)",
    ),
    "PUP_LIMITED_DISABLED": (
        ErrorKind.AUTH,
        "the account is limited or disabled (finishReason PUP_LIMITED_DISABLED)",
    ),
}


# -- request ---------------------------------------------------------------------------------


def body_of(target: Target, prompt: Prompt) -> dict[str, Any]:
    """The body of generateContent, without what the user adds to it.

    A message that has `parts` is Google's own and stays as it is. Raises UsageError for a message
    that has no form there.
    """
    said = [one for one in prompt.messages if one.get("role") in _SYSTEM]
    body: dict[str, Any] = {
        "contents": [_content(one) for one in prompt.messages if one.get("role") not in _SYSTEM]
    }
    if said:
        parts = [part for one in said for part in _parts(one)]
        body["systemInstruction"] = {"parts": parts}
    settings = {"maxOutputTokens": limit_of(target, prompt), "temperature": target.temperature}
    if given := {name: value for name, value in settings.items() if value is not None}:
        body["generationConfig"] = given
    return body


def with_settings(target: Target, body: Mapping[str, Any]) -> Target:
    """The target whose extra `generationConfig` adds to that of the body and does not replace it.

    Nearly all that a user may want to add stands there.
    """
    extra = target.extra_body.get("generationConfig")
    if not isinstance(extra, Mapping):
        return target
    merged = {**body.get("generationConfig", {}), **extra}
    settings = {name: value for name, value in merged.items() if value is not None}
    return replace(target, extra_body={**target.extra_body, "generationConfig": settings or None})


def _content(message: Message) -> dict[str, Any]:
    role = message.get("role")
    if role not in ("user", "assistant", "model"):
        raise UsageError(
            f"a message of role '{role}' has no form in Google's API: roles are user, assistant "
            "and system, or give it as Google has it, with 'parts'"
        )
    return {"role": "user" if role == "user" else "model", "parts": _parts(message)}


def _parts(message: Message) -> list[Any]:
    if "parts" in message:
        return list(message["parts"])
    content = message.get("content")
    if message.get("tool_calls") or not isinstance(content, str | list):
        raise UsageError("a message without text has no form in Google's API: give it 'parts'")
    if isinstance(content, str):
        return [{"text": content}]
    return [_part(part) for part in content]


def _part(part: Any) -> dict[str, Any]:
    """One of OpenAI's content parts: a text, or an image within a data URL."""
    match part:
        case {"text": str(text)}:
            return {"text": text}
        case {"image_url": {"url": str(url)}} if url.startswith("data:") and ";base64," in url:
            kind, _, data = url.removeprefix("data:").partition(";base64,")
            return {"inlineData": {"mimeType": kind, "data": data}}
    raise UsageError(
        "a message's content holds something other than texts and images within data URLs: give "
        "the message as Google has it, with 'parts'"
    )


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    generated = _Generated()
    if is_array(body):
        generated.stream(elements(body, timeline.ends))
    elif is_stream(body, timeline):
        generated.stream(events_of(timeline, body))
        generated.bare(body)
    else:
        generated.document(body, timeline)
        record.stream = timeline.stream and not generated.answer.chunks
    return generated.settle(record, timeline)


class _Generated:
    """Gathers one answer, chunk by chunk."""

    __slots__ = ("answer", "counts", "finished", "seen")

    def __init__(self) -> None:
        self.answer = Answer()
        self.counts = Counts()
        self.seen: set[int] = set()
        self.finished: set[int] = set()

    def stream(self, events: Iterator[Event]) -> None:
        answer, take = self.answer, self._take
        for chunk, name, place, data in answer.chunks_of(events, read):
            if chunk.error or name == b"error":
                answer.complain(read_complaint(data))
            take(chunk, place)

    def bare(self, body: bytes) -> None:
        """An error between the events, which is no event."""
        if found := bare_object(body):
            try:
                chunk = read(found)
            except ValueError:
                return
            if chunk and chunk.error:
                self.answer.complain(read_complaint(found))

    def document(self, body: bytes, timeline: Timeline) -> None:
        """A body that is no stream: a whole answer in JSON, or something else altogether."""
        if (found := self.answer.document_of(body, timeline, read)) is None:
            return
        chunk, place, text = found
        if chunk.error or not (chunk.candidates or chunk.blocked()):
            complaint = read_complaint(text)
            if chunk.error or complaint.message:
                self.answer.complain(complaint)
            else:
                self.answer.problem = f"a JSON document without candidates came; {CHECK}"
            return
        self._take(chunk, place)
        self.answer.end_read = len(timeline.ends) - 1

    def _take(self, chunk: Chunk, place: int) -> None:
        answer = self.answer
        answer.chunks += 1
        if chunk.candidates:
            self._candidates(chunk.candidates, place)
        if answer.id is None or answer.model is None:
            answer.id = answer.id or chunk.response_id or None
            answer.model = answer.model or chunk.model_version or None
        if reason := chunk.blocked():
            said = chunk.prompt_feedback and chunk.prompt_feedback.block_reason_message
            text = one_line(said or f"the prompt was blocked (blockReason {reason})")
            answer.complain(Complaint(text, reason, "content_filter"))
        if chunk.usage_metadata:
            self._count(chunk.usage_metadata)
            counted = chunk.usage_metadata.total_token_count is not None
            if counted and self.seen and self.seen <= self.finished:
                answer.end_read = place

    def _candidates(self, candidates: list[Candidate], place: int) -> None:
        """Content of all candidates of one chunk, as one content event, and their ends.

        A finish reason ends nothing where content follows it: one comes before a tool of the
        server's runs, too.
        """
        answer = self.answer
        found: list[Carried] = []
        answer.end_read = None
        for candidate in candidates:
            self.seen.add(candidate.index)
            before = len(found)
            for part in (candidate.content and candidate.content.parts) or ():
                if carried := part.carried():
                    answer.thought = answer.thought or carried[0] is EventKind.REASONING
                    found.append(carried)
            if candidate.finish_reason and candidate.finish_reason != _UNSPECIFIED:
                answer.finish_reason = candidate.finish_reason
                self.finished.add(candidate.index)
            elif len(found) > before:
                self.finished.discard(candidate.index)
        if found:
            answer.say(*joined(found), place)

    def _count(self, new: Counts) -> None:
        """Counts grow from chunk to chunk; what a later one leaves out stays as it was."""
        counts = self.counts
        for name, value in zip(_COUNTS, astuple(new), strict=True):
            if value is not None:
                setattr(counts, name, value)

    def settle(self, record: Record, timeline: Timeline) -> Record:
        fill_usage(self.answer, self.counts)
        answer, counts = self.answer, self.counts
        named = [value for name, value in timeline.headers if name.lower() == _TIER_HEADER]
        answer.service_tier = next(
            filter(None, (counts.traffic_type, counts.service_tier, *named)), None
        )
        return answer.settle(
            record,
            timeline,
            lack="the stream ended without a finishReason",
            broken_off=BROKEN_OFF,
        )


def fill_usage(answer: Answer, counts: Counts) -> None:
    """Map the counts so that input includes what tools gave back, and output the thoughts."""
    usage = answer.usage
    prompt, tools = count(counts.prompt_token_count), count(counts.tool_use_prompt_token_count)
    said, thought = count(counts.candidates_token_count), count(counts.thoughts_token_count)
    usage.input = None if prompt is None else prompt + (tools or 0)
    usage.cached_input = count(counts.cached_content_token_count)
    usage.reasoning = thought
    if said is not None or thought is not None:
        usage.output = (said or 0) + (thought or 0)
    together = (usage.input or 0) + (said or 0)
    if thought and said and counts.total_token_count == together:
        usage.output = said  # some models count their thoughts among the candidates' tokens
    usage.audio_input = _audio(counts.prompt_tokens_details, counts.tool_use_prompt_tokens_details)
    usage.audio_output = _audio(counts.candidates_tokens_details)


def _audio(*details: list[ModalityCount] | None) -> int | None:
    found = [
        tokens
        for one in details
        for detail in one or ()
        if detail.modality == "AUDIO" and (tokens := count(detail.token_count)) is not None
    ]
    return sum(found) if found else None
