"""Where a request's time was spent: in the server, by its own account, or outside of it.

A server's account is believed and never stretched: it covers what the server counts, up to the
moment at which it could say so. What is left is the way there and back together with all that the
server does not count, its gateways and queues among it; the two cannot be told apart from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..record import Record

Until = Literal["first_byte", "first_token", "end"]
"""The mark of the client up to which a server's account runs."""

_Accounts = tuple[tuple[tuple[str, ...], Until], ...]

_STREAMED: _Accounts = (
    (("load_ms", "prompt_eval_ms"), "first_token"),  # Ollama
    (("prompt_eval_ms",), "first_token"),  # Ollama leaves out what took no time
    (("prompt_ms",), "first_token"),  # llama.cpp
    (("queue_time", "prompt_time"), "first_token"),  # Groq, Cerebras
    (("fireworks-server-time-to-first-token",), "first_token"),
    (("first_byte_latency_ms",), "first_token"),  # Bedrock, InvokeModelWithResponseStream
)
_WHOLE: _Accounts = (
    (("total_ms",), "end"),  # Ollama
    (("prompt_ms", "predicted_ms"), "end"),  # llama.cpp
    (("queue_time", "prompt_time", "completion_time"), "end"),  # Groq, Cerebras
)
_EITHER: _Accounts = (
    (("openai-processing-ms",), "first_byte"),
    (("x-envoy-upstream-service-time",), "first_byte"),
    (("x-kong-upstream-latency", "x-kong-proxy-latency"), "first_byte"),
    (("x-kong-upstream-latency",), "first_byte"),
    (("x-litellm-response-duration-ms",), "first_byte"),
    (("x-total-time",), "first_byte"),  # Text Generation Inference, not streamed
    (("x-amzn-bedrock-invocation-latency",), "first_byte"),  # Bedrock, InvokeModel
    (("invocation_latency_ms",), "end"),
    (("latency_ms",), "end"),  # Bedrock, Converse and ConverseStream
)
"""Hints that add up to an account, and up to where it runs: of answers that came token by token, of
those that came in one piece, of both. What a model's server says inside its answer comes before
what a gateway says in a header, and a header cannot know what comes after it."""

_TIMING = "server-timing."
_ROUNDING_MS = 1.0
"""Most accounts are in whole milliseconds."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """One request's time up to `until`, in milliseconds.

    `network_ms` is what the server's account leaves over, and None where the account is longer
    than what was measured: then it is about something else.
    """

    server_ms: float
    server_source: str
    until: Until
    network_ms: float | None


def whereabouts(record: Record) -> Whereabouts | None:
    """What the server's own account comes to; None where it gives none, or for a request that
    did not get that far."""
    found = _account(record.hints_ms, streamed=len(record.events) > 1)
    if found is None:
        return None
    server_ms, source, until = found
    whole_ns = _MARKS[until](record)
    if whole_ns is None:
        return None
    left_ms = whole_ns / 1e6 - server_ms
    fits = left_ms > -_ROUNDING_MS
    return Whereabouts(server_ms, source, until, max(left_ms, 0.0) if fits else None)


_MARKS: dict[Until, Callable[[Record], int | None]] = {
    "first_byte": lambda record: record.ttfb_ns,
    "first_token": lambda record: record.ttft_ns,
    "end": lambda record: record.e2e_ns,
}


def _account(hints: Mapping[str, float], *, streamed: bool) -> tuple[float, str, Until] | None:
    if not hints:
        return None
    for names, until in (*(_STREAMED if streamed else _WHOLE), *_EITHER):
        if all(name in hints for name in names):
            return sum(hints[name] for name in names), " + ".join(names), until
    # Its metrics may lie within one another, so that their sum means nothing; the longest is in
    # the answer's time for certain (Server Timing, W3C).
    timings = [name for name in hints if name.startswith(_TIMING)]
    if not timings:
        return None
    longest = max(timings, key=lambda name: hints[name])
    return hints[longest], longest, "first_byte"
