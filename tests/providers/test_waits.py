"""What a record says of limits and of how long to wait, wherever the provider said it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_latency_lens.providers import decode
from llm_latency_lens.record import RateLimit, Record, RequestError
from llm_latency_lens.timeline import ErrorKind, Timeline

NOW_NS = 1_790_000_000 * 10**9


def answered(body: Any, status: int = 429, headers: dict[str, str] | None = None) -> Record:
    timeline = Timeline()
    timeline.start_ns, timeline.first_byte_ns, timeline.closed_ns = 5, 5 + 10**9, 6 + 10**9
    timeline.offset_ns = NOW_NS - 5
    timeline.status, timeline.complete = status, True
    timeline.headers = tuple({"content-type": "application/json", **(headers or {})}.items())
    timeline.add(5 + 10**9, body if isinstance(body, bytes) else json.dumps(body).encode())
    return decode(timeline)


def refused(body: Any, status: int = 429, headers: dict[str, str] | None = None) -> RequestError:
    error = answered(body, status, headers).error
    assert error is not None
    return error


LIMIT = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}
WORDS = {"error": {"message": "Rate limit reached. Please try again in 6m0s.", "code": None}}


@pytest.mark.parametrize(
    ("body", "headers", "wait"),
    [
        (WORDS, {"retry-after": "2"}, 2.0),
        (WORDS, {"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        (WORDS, {"retry-after": "Mon, 21 Sep 2026 14:13:31 GMT"}, 10.0),
        (WORDS, {}, 360.0),
        (WORDS, {**LIMIT, "x-ratelimit-reset-requests": "8s"}, 360.0),
        ({"error": {"message": "no"}}, {**LIMIT, "x-ratelimit-reset-requests": "8s"}, 8.0),
        ({"error": {"message": "no"}}, LIMIT, None),
        ({"error": {"message": "no"}}, {"x-ratelimit-reset-after": "0.5"}, 0.5),
        ({"error": {"message": "no", "retry_after": 1}}, {}, 1.0),
        ({"message": "no", "retry_after": 0.25}, {}, 0.25),
        ({"message": "no", "retry_after": True}, {}, None),
        ({"message": "no", "retry_after": -1}, {}, None),
        (
            {"error": {"details": [{"@type": "RetryInfo", "retryDelay": "34.07s"}]}},
            {},
            34.07,
        ),
        (b"<html><title>429</title></html>", {"retry-after": "7"}, 7.0),
    ],
)
def test_how_long_a_refusal_asks_to_wait(
    body: Any, headers: dict[str, str], wait: float | None
) -> None:
    error = refused(body, headers=headers)
    assert (error.kind, error.retry_after_s) == (ErrorKind.RATE_LIMIT, wait)


@pytest.mark.parametrize(
    ("status", "wait"), [(400, None), (401, None), (500, 360.0), (503, 360.0), (402, 360.0)]
)
def test_words_count_where_waiting_may_help(status: int, wait: float | None) -> None:
    assert refused(WORDS, status).retry_after_s == wait


def test_what_is_used_up_is_no_reason_of_another_failure() -> None:
    headers = {**LIMIT, "x-ratelimit-reset-requests": "8s"}
    assert refused({"error": {"message": "no"}}, 500, headers).retry_after_s is None
    assert refused({"error": {"message": "no"}}, 500, {"retry-after": "3"}).retry_after_s == 3.0


def test_limits_that_a_body_passes_on() -> None:
    passed = {
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1790000061000",
        "Odd": 1,
    }
    body: Any = {"error": {"message": "no", "code": 429, "metadata": {"headers": passed}}}
    record = answered(body)
    assert record.rate_limits == (RateLimit("requests", 50, 0, 60.0),)
    assert record.error is not None
    assert record.error.retry_after_s == 60.0
    body["error"]["metadata"]["headers"] = {"Retry-After": "5"}
    assert refused(body).retry_after_s == 5.0
    body["error"]["metadata"]["headers"] = "none"
    assert refused(body).retry_after_s is None


def test_a_limit_inside_a_stream() -> None:
    stream = b'data: {"error":{"message":"Try again in 3s","code":"rate_limit_exceeded"}}\n\n'
    headers = {"content-type": "text/event-stream"}
    error = refused(stream, 200, headers)
    assert (error.kind, error.retry_after_s) == (ErrorKind.RATE_LIMIT, 3.0)


def test_limits_of_an_answer_that_went_well() -> None:
    body = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    headers = {**LIMIT, "X-RateLimit-Reset-Requests": "1s", "x-trial-endpoint-call-remaining": "7"}
    record = answered(body, 200, headers)
    assert record.error is None
    assert record.rate_limits == (RateLimit("requests", 60, 0, 1.0),)
    assert record.headers["x-trial-endpoint-call-remaining"] == "7"
    assert answered(body, 200).rate_limits == ()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "Rate limit exceeded: free-models-per-min."}}, "rate_limit"),
        ({"error": {"message": "Rate limit exceeded: free-models-per-day. Add 10"}}, "quota"),
        ({"error": {"message": "no", "metadata": {"limit_source": "free_tier_daily"}}}, "quota"),
        ({"error": {"message": "no", "metadata": {"limit_source": "shared_pool"}}}, "rate_limit"),
        ({"message": "high traffic", "param": "queue", "code": "queue_exceeded"}, "overloaded"),
        ({"message": "Tokens per day limit", "code": "token_quota_exceeded"}, "rate_limit"),
        ({"object": "error", "type": "rate_limited", "code": "1300"}, "rate_limit"),
    ],
)
def test_what_else_comes_as_429(body: Any, kind: str) -> None:
    assert refused(body).kind == kind
