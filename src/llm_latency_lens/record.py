"""What one request came to: content events, marks, usage, and the error if there was one.

A record is what a decoder makes of a timeline. Marks are nanoseconds of the same monotonic clock
as the timeline's; derived durations are properties, each defined as in the documentation's table
of terms, and None where the request did not get that far.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from .request import Operation
from .timeline import Connection, ErrorKind, Stage, Timeline


class EventKind(StrEnum):
    """What a content event carries."""

    TEXT = "text"
    REASONING = "reasoning"
    REFUSAL = "refusal"
    TOOL = "tool"


class Status(StrEnum):
    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RequestError:
    """Why a request failed, in the provider's words where it gave any."""

    kind: ErrorKind
    stage: Stage
    message: str
    http_status: int | None = None
    provider_code: str | None = None
    retry_after_s: float | None = None
    """How long the provider asks to wait before the next attempt, whatever form it said it in."""

    def unquoted(self) -> RequestError:
        """The same without what the provider may have quoted: a filter that refuses a prompt may
        repeat it, and no text of a prompt is written unless it is asked for."""
        return replace(self, message="") if self.kind is ErrorKind.CONTENT_FILTER else self


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit as the provider's headers state it with an answer; None is what they leave out.

    `name` says what is counted: `requests`, `tokens`, `input_tokens`, `output_tokens`, with `_day`
    and the like behind it where one provider counts the same over several windows.
    """

    name: str
    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None
    """Seconds from the answer until the limit is whole again."""


@dataclass(slots=True)
class Usage:
    """Token counts; None is unknown, never zero.

    `input` includes what was read from a cache and written to one, and audio; `output` includes
    `reasoning` and audio, whatever the provider's own convention is: the decoder maps it.
    """

    input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    """Written to a prompt cache, for whatever time to live."""
    cache_write_1h: int | None = None
    """Those of `cache_write` that are kept for an hour, which Anthropic charges more for."""
    audio_input: int | None = None
    audio_output: int | None = None
    billed_input: int | None = None
    """Input tokens that are charged for, where the provider says that it is not all of `input`."""
    billed_output: int | None = None
    """The same of `output`."""
    searches: int | None = None
    """Searches that are charged for one by one: of the web, or the search units of a rerank."""


@dataclass(slots=True)
class Events:
    """The content events of one answer, as columns of equal length."""

    at_ns: array[int] = field(default_factory=lambda: array("q"))
    read: array[int] = field(default_factory=lambda: array("q"))
    """Which read of the timeline completed the event."""
    chars: array[int] = field(default_factory=lambda: array("q"))
    kind: list[EventKind] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    partial: bool = False
    """True where only the first and the last event are known, or the first alone: the run comes
    from another program, which kept no gaps."""

    def __len__(self) -> int:
        return len(self.at_ns)

    def add(self, at_ns: int, read: int, kind: EventKind, text: str) -> None:
        self.at_ns.append(at_ns)
        self.read.append(read)
        self.chars.append(len(text))
        self.kind.append(kind)
        self.text.append(text)

    @property
    def count(self) -> int | None:
        """How many events there were; None where not all of them are known."""
        return None if self.partial else len(self)

    @property
    def characters(self) -> int | None:
        """All that they carried; None where nobody counted: an event carries at least one."""
        return sum(self.chars) or (None if len(self) else 0)

    def gaps_ns(self) -> list[int]:
        """Every gap between consecutive content events (`itl`); none where they are not known."""
        if self.partial:
            return []
        return [later - earlier for earlier, later in pairwise(self.at_ns)]


@dataclass(slots=True)
class Record:
    """One request, understood."""

    id: str
    index: int
    status: Status
    provider: str = ""
    model: str = ""
    tag: str | None = None
    attempt: int = 0
    warmup: bool = False
    stream: bool = True
    max_tokens: int | None = None
    operation: Operation = Operation.CHAT
    arm: str | None = None
    """Which arm of an experiment it belongs to."""
    error: RequestError | None = None

    planned_ns: int | None = None
    start_ns: int | None = None
    sent_ns: int | None = None
    first_byte_ns: int | None = None
    end_ns: int | None = None
    start_unix_ns: int | None = None

    events: Events = field(default_factory=Events)
    usage: Usage = field(default_factory=Usage)
    tokens_source: str = "events"
    """Where `usage.output` comes from: `usage`, `tokenizer`, or `events` (then it is unknown)."""
    reasoning_streamed: bool = True
    """False when reasoning tokens were counted but no reasoning event was seen."""
    finish_reason: str | None = None
    response_id: str | None = None
    response_model: str | None = None
    fingerprint: str | None = None
    hints_ms: Mapping[str, float] = field(default_factory=dict)
    """What the server itself says of its time, e.g. llama.cpp's `prompt_ms`."""

    service_tier: str | None = None
    """The tier that answered, where the provider says so: it can change the price."""
    billed_usd: Decimal | None = None
    """What the provider itself says that the request cost."""
    cost_usd: Decimal | None = None
    """What the request cost: the provider's own bill where it sent one, else by the prices known.
    None where neither is there, never 0."""
    cost_source: str | None = None
    """Where the price comes from; `provider` for its own bill. With no `cost_usd` beside it, a
    price is known but not what was used."""
    rate_limits: tuple[RateLimit, ...] = ()

    connection: Connection = field(default_factory=Connection)
    headers: Mapping[str, str] = field(default_factory=dict)
    clock_source: str = "user"
    clock_step_ns: int = 0
    read_lag_ns_max: int = 0
    late_events: int = 0
    """Events whose read was late by more than 1 ms."""
    merged_events: int = 0
    """Events that share a late read (more than 1 ms) with the one before: the gap of 0 is ours."""
    coalesced_events: int = 0
    """Events that share a read on time with the one before: they were sent together."""

    @property
    def first_token_ns(self) -> int | None:
        return self.events.at_ns[0] if len(self.events) else None

    @property
    def first_answer_ns(self) -> int | None:
        for at_ns, kind in zip(self.events.at_ns, self.events.kind, strict=True):
            if kind is not EventKind.REASONING:
                return at_ns
        return None

    @property
    def last_token_ns(self) -> int | None:
        return self.events.at_ns[-1] if len(self.events) else None

    @property
    def ttfb_ns(self) -> int | None:
        return _since(self.first_byte_ns, self.start_ns)

    @property
    def ttft_ns(self) -> int | None:
        return _since(self.first_token_ns, self.start_ns)

    @property
    def answer_ns(self) -> int | None:
        return _since(self.first_answer_ns, self.start_ns)

    @property
    def e2e_ns(self) -> int | None:
        return _since(self.end_ns, self.start_ns)

    @property
    def send_lag_ns(self) -> int | None:
        return _since(self.start_ns, self.planned_ns)

    @property
    def corrected_ttft_ns(self) -> int | None:
        return _since(self.first_token_ns, self.planned_ns)

    @property
    def corrected_e2e_ns(self) -> int | None:
        return _since(self.end_ns, self.planned_ns)

    @property
    def connection_ns(self) -> int | None:
        """Set-up of a fresh connection (dns + connect + tls); None when it was reused."""
        c = self.connection
        if c.reused or c.connect_ns is None:
            return None
        return (c.dns_ns or 0) + c.connect_ns + (c.tls_ns or 0)

    @property
    def cold_ttft_ns(self) -> int | None:
        """TTFT with the connection's set-up, as a fresh process sees it; None when reused."""
        setup, ttft = self.connection_ns, self.ttft_ns
        return None if setup is None or ttft is None else setup + ttft

    @property
    def streamed_tokens(self) -> int | None:
        """Output tokens less reasoning tokens that were counted but never streamed."""
        output = self.usage.output
        if output is None:
            return None
        hidden = 0 if self.reasoning_streamed else (self.usage.reasoning or 0)
        return max(0, output - hidden)

    @property
    def tpot_ns(self) -> float | None:
        """Time per output token after the first; None when one event carried everything."""
        tokens, first, last = self.streamed_tokens, self.first_token_ns, self.last_token_ns
        if tokens is None or tokens < 2 or first is None or last is None or len(self.events) < 2:
            return None
        return (last - first) / (tokens - 1)

    @property
    def tokens_per_event(self) -> float | None:
        tokens = self.streamed_tokens
        if self.events.partial:
            return None
        return None if tokens is None or not len(self.events) else tokens / len(self.events)


def _since(mark: int | None, origin: int | None) -> int | None:
    return None if mark is None or origin is None else mark - origin


Decoder = Callable[[Timeline], Record]
"""Pure: the same timeline gives the same record, today and from a file next year."""
