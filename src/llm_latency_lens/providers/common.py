"""What every decoder needs: the part of a record that does not depend on the wire format."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable

from ..clock import SECOND_NS
from ..record import EventKind, Events, Record, RequestError, Status
from ..timeline import ErrorKind, Stage, Timeline
from .errors_map import Complaint, kind_of_status, read_complaint
from .limits import exhausted_s, read_limits, retry_after_s, waits_in_words

LATE_NS = 1_000_000
"""A read later than this counts as late: see `Record.late_events`."""

# What a provider's response headers may leave in a result: who served it, how long it says that
# it took, what is left of a rate limit, and the names under which its support finds the request.
_KEPT = re.compile(
    r"""(?x)
    age | cf-cache-status | cf-ray | content-type | date | server | server-timing | traceparent
  | via
  | (?:x-ms-)? retry-after (?:-ms)?
  | (?:x-|anthropic-)? ratelimit (?:[-_a-z0-9]+)?
  | anthropic-priority-[-a-z]+ | x-tokenlimit-[a-z]+ | x-[a-z]+-[a-z]+-call-(?:limit|remaining)
  | (?:[a-z0-9]+-)* request-?id
  | openai- (?:model | processing-ms | version)
  | azureml-model-session
  | fireworks- (?:[a-z]+-)* (?:tokens | time | token | duration)
  | x-kong- (?:upstream | proxy)-latency
  | x-litellm- (?:call-id | model-id | version | response-cost | (?:[a-z]+-)+ duration-ms)
  | x-amzn- (?:errortype | bedrock-[a-z-]+)
  | x- (?:[a-z0-9]+-)* (?:region | model | time | trace-id)
  | x- (?:correlation | generation | vercel)-id
  | x- (?:prompt | generated | total)-tokens
  | x- (?:accel-buffering | cache | compute-type | provider | runtime | served-by | should-retry)
    """
).fullmatch
# Headers that give a duration in milliseconds.
_HINT_HEADERS = (
    "openai-processing-ms",
    "x-amzn-bedrock-invocation-latency",
    "x-envoy-upstream-service-time",
    "x-inference-time",
    "x-kong-proxy-latency",
    "x-kong-upstream-latency",
    "x-litellm-overhead-duration-ms",
    "x-litellm-response-duration-ms",
    "x-queue-time",
    "x-time-per-token",
    "x-total-time",
    "x-validation-time",
)
# Those that give it in seconds.
_HINT_SECONDS = re.compile(r"fireworks-(?:[a-z]+-)*(?:time|first-token|duration)").fullmatch
# Failures that waiting may cure, so that words and limits say for how long.
_MAY_PASS = frozenset(
    (ErrorKind.RATE_LIMIT, ErrorKind.QUOTA, ErrorKind.OVERLOADED, ErrorKind.SERVER)
)
_TIMING = re.compile(r"([\w!#$%&'*+.^`|~-]+)[^,]*?;\s*dur\s*=\s*\"?(\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LONGEST_VALUE = 256
_LONGEST_TIMING = 2048


def begin(timeline: Timeline) -> Record:
    """The record of a request of which nothing is understood yet; its status is still open."""
    start = timeline.start_ns
    return Record(
        id=timeline.id,
        index=timeline.index,
        status=Status.OK,
        provider=timeline.provider,
        model=timeline.model,
        tag=timeline.tag,
        attempt=timeline.attempt,
        warmup=timeline.warmup,
        stream=timeline.stream,
        max_tokens=timeline.max_tokens,
        operation=timeline.operation,
        arm=timeline.arm,
        planned_ns=timeline.planned_ns,
        start_ns=start,
        sent_ns=timeline.sent_ns,
        first_byte_ns=timeline.first_byte_ns,
        end_ns=timeline.closed_ns,
        start_unix_ns=None if start is None else start + timeline.offset_ns,
        hints_ms=hints(timeline.headers),
        connection=timeline.connection,
        rate_limits=read_limits(timeline.headers, _answered_s(timeline)),
        headers=kept_headers(timeline.headers),
        clock_source=timeline.clock_source,
        clock_step_ns=timeline.offset_end_ns - timeline.offset_ns,
        read_lag_ns_max=max(timeline.lag, default=0),
    )


def _answered_s(timeline: Timeline) -> float:
    """When the answer began, in Unix seconds."""
    began = timeline.first_byte_ns or timeline.closed_ns or timeline.start_ns or 0
    return (began + timeline.offset_ns) / SECOND_NS


def fail(record: Record, error: RequestError) -> None:
    """Mark the record as failed, or as cancelled where the user stopped it."""
    cancelled = error.kind is ErrorKind.CANCELLED
    record.status = Status.CANCELLED if cancelled else Status.FAILED
    record.error = error


def complain(record: Record, complaint: Complaint, http_status: int, *, inside: bool) -> None:
    """Fail by the provider's own words; `inside` a stream that had begun with 200, or before it."""
    kind = complaint.kind(None if inside else http_status)
    stage = Stage.STREAM if inside else Stage.WAIT
    silent = "an error event without a message" if inside else f"HTTP {http_status}, no message"
    message = complaint.message or silent
    if http_status == 404 and "model" not in message.lower():  # more likely the path is wrong
        message = message.rstrip(".") + "; check --base-url"
    code, wait = complaint.provider_code, _wait_s(record, complaint, kind)
    fail(record, RequestError(kind, stage, message, http_status, code, wait))


def _wait_s(record: Record, complaint: Complaint, kind: ErrorKind) -> float | None:
    """How long the provider asks to wait: its header, its body, the reset of what is used up."""
    at_s = ((record.start_unix_ns or 0) + (record.ttfb_ns or 0)) / SECOND_NS
    if complaint.headers:  # OpenRouter repeats in the body what the provider behind it sent
        record.rate_limits = record.rate_limits or read_limits(complaint.headers, at_s)
    for headers in (record.headers.items(), complaint.headers):
        if (wait := retry_after_s(headers, at_s)) is not None:
            return wait
    if complaint.retry_after_s is not None or kind not in _MAY_PASS:
        return complaint.retry_after_s
    said = waits_in_words(complaint.message)
    if said is None and kind in (ErrorKind.RATE_LIMIT, ErrorKind.QUOTA):
        return exhausted_s(record.rate_limits)
    return said


def refused(timeline: Timeline, record: Record) -> bool:
    """Settle a request that got no successful response; False when there is a body to decode."""
    failure, status = timeline.failure, timeline.status
    if status is not None and 200 <= status < 300:
        return False
    if failure is not None and (status is None or failure.kind is ErrorKind.CANCELLED):
        fail(record, RequestError(failure.kind, failure.stage, failure.message, status))
    elif status is None:
        text = "the capture ends before an answer"
        fail(record, RequestError(ErrorKind.NETWORK, Stage.WAIT, text))
    elif 300 <= status < 400:
        place = dict(timeline.headers).get("location", "")
        text = f"HTTP {status}: a redirect, which is not followed; check --base-url"
        if place:
            text += f" (it points to {place.partition('?')[0][:120]})"
        fail(record, RequestError(kind_of_status(status), Stage.WAIT, text, status))
    else:
        named = dict(timeline.headers).get("x-amzn-errortype")
        complain(record, read_complaint(bytes(timeline.body), named), status, inside=False)
    return True


def fill_events(
    record: Record, timeline: Timeline, reads: list[int], kinds: list[EventKind], texts: list[str]
) -> None:
    """Turn the columns that a decoder gathered into events with their stamps and lateness."""
    at, lag = timeline.at, timeline.lag
    record.events = Events(
        at_ns=array("q", [at[read] for read in reads]),
        read=array("q", reads),
        chars=array("q", map(len, texts)),
        kind=kinds,
        text=texts,
    )
    if record.read_lag_ns_max <= LATE_NS:
        record.coalesced_events = len(reads) - len(set(reads))
        return
    before = -1
    for read in reads:
        late = lag[read] > LATE_NS
        record.late_events += late
        if read == before:
            record.merged_events += late
            record.coalesced_events += not late
        before = read


def fill_usage(record: Record, *, thought: bool) -> None:
    """Settle where the token count comes from, once usage and events are in.

    A count of 0 for an answer that did carry content is a server that does not count: unknown.
    `thought` says whether reasoning was seen in the stream.
    """
    usage = record.usage
    if usage.output == 0 and len(record.events):
        usage.output = None
    if usage.input == 0:
        usage.input = None
    if usage.output is not None:
        record.tokens_source = "usage"
    record.reasoning_streamed = thought or not usage.reasoning


def kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Response headers worth keeping, by an allow list; never a cookie or a credential."""
    return {
        name: value[:_LONGEST_VALUE]
        for name, value in ((name.lower(), value) for name, value in headers)
        if _KEPT(name)
    }


def hints(headers: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Durations in milliseconds that the response's headers name, under the headers' names."""
    found: dict[str, float] = {}
    for name, value in ((name.lower(), value) for name, value in headers):
        if name in _HINT_HEADERS and _NUMBER.fullmatch(value.strip()):
            found[name] = float(value)
        elif _HINT_SECONDS(name) and _NUMBER.fullmatch(value.strip()):
            found[name] = 1000 * float(value)
        elif name == "server-timing":
            for metric, duration in _TIMING.findall(value[:_LONGEST_TIMING]):
                found[f"{name}.{metric}"] = float(duration)
    return found
