"""Rate limits as each provider's headers have them, and every way to say how long to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers.limits import (
    duration_s,
    exhausted_s,
    read_limits,
    retry_after_s,
    waits_in_words,
)
from llm_latency_lens.record import RateLimit

NOW = 1_790_000_000.0
"""2026-09-21, 14:13:20 UTC."""

Fields = dict[str, str]

PROVIDERS: list[tuple[str, Fields, list[RateLimit]]] = [
    (
        "openai",
        {
            "x-ratelimit-limit-requests": "5000",
            "x-ratelimit-limit-tokens": "160000",
            "x-ratelimit-remaining-requests": "4999",
            "x-ratelimit-remaining-tokens": "159976",
            "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        [
            RateLimit("requests", 5000, 4999, 0.012),
            RateLimit("tokens", 160000, 159976, 360.0),
        ],
    ),
    (
        "openai, older",
        {
            "x-ratelimit-limit-tokens_usage_based": "160000",
            "x-ratelimit-reset-tokens_usage_based": "8s",
        },
        [RateLimit("tokens_usage_based", 160000, None, 8.0)],
    ),
    (
        "groq",
        {
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-remaining-requests": "14370",
            "x-ratelimit-reset-requests": "2m59.5s",
        },
        [RateLimit("requests", 14400, 14370, 179.5)],
    ),
    (
        "anthropic",
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-09-21T14:13:21Z",
            "anthropic-ratelimit-input-tokens-limit": "40000",
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": "2026-09-21T16:14:20+02:00",
            "anthropic-priority-output-tokens-limit": "10",
            "anthropic-organization-id": "an-organization",
        },
        [
            RateLimit("requests", 50, 49, 1.0),
            RateLimit("input_tokens", 40000, 0, 60.0),
            RateLimit("priority_output_tokens", 10, None, None),
        ],
    ),
    (
        "azure",
        {
            "x-ratelimit-limit-tokens": "-1",
            "x-ratelimit-remaining-tokens": "-1",
            "x-ratelimit-reset-tokens": "0",
            "x-ratelimit-remaining-requests": "9",
            "x-ratelimit-reset-requests": "10",
        },
        [RateLimit("requests", None, 9, 10.0)],
    ),
    (
        "mistral",
        {
            "x-ratelimit-limit-req-minute": "23",
            "x-ratelimit-remaining-req-minute": "0",
            "x-ratelimit-limit-tokens-minute": "356250",
            "x-ratelimit-tokens-query-cost": "12",
        },
        [
            RateLimit("requests_minute", 23, 0, None),
            RateLimit("tokens_minute", 356250, None, None),
        ],
    ),
    (
        "mistral, older",
        {
            "ratelimitbysize-limit": "500000",
            "ratelimitbysize-remaining": "499900",
            "ratelimitbysize-reset": "28",
            "x-ratelimitbysize-remaining-month": "9999",
            "ratelimitbysize-query-cost": "32",
        },
        [
            RateLimit("tokens", 500000, 499900, 28.0),
            RateLimit("tokens_month", None, 9999, None),
        ],
    ),
    (
        "together",
        {
            "x-ratelimit-limit": "10",
            "x-ratelimit-remaining": "9",
            "x-ratelimit-reset": "1",
            "x-tokenlimit-limit": "3000",
            "x-tokenlimit-remaining": "2900",
        },
        [RateLimit("requests", 10, 9, 1.0), RateLimit("tokens", 3000, 2900, None)],
    ),
    (
        "fireworks",
        {
            "x-ratelimit-limit-tokens-prompt": "60000",
            "x-ratelimit-limit-tokens-cache-adjusted-prompt": "15000",
            "x-ratelimit-limit-tokens-generated": "600",
            "x-ratelimit-remaining-tokens-generated": "500",
            "x-ratelimit-over-limit": "no",
        },
        [
            RateLimit("input_tokens", 60000, None, None),
            RateLimit("uncached_input_tokens", 15000, None, None),
            RateLimit("output_tokens", 600, 500, None),
        ],
    ),
    (
        "cerebras",
        {
            "x-ratelimit-limit-requests-day": "1000000000",
            "x-ratelimit-remaining-requests-day": "999999999",
            "x-ratelimit-reset-requests-day": "33011.382867",
            "x-ratelimit-limit-tokens-minute": "1000000",
            "x-ratelimit-reset-tokens-minute": "11.382867",
        },
        [
            RateLimit("requests_day", 1000000000, 999999999, 33011.382867),
            RateLimit("tokens_minute", 1000000, None, 11.382867),
        ],
    ),
    (
        "cohere",
        {
            "x-endpoint-monthly-call-limit": "1000",
            "x-trial-endpoint-call-limit": "20",
            "x-trial-endpoint-call-remaining": "19",
        },
        [RateLimit("requests_month", 1000, None, None), RateLimit("requests", 20, 19, None)],
    ),
    (
        "openrouter",
        {
            "X-RateLimit-Limit": "50",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1790000060000",
        },
        [RateLimit("requests", 50, 0, 60.0)],
    ),
    (
        "github",
        {
            "x-ratelimit-limit": "60",
            "x-ratelimit-remaining": "58",
            "x-ratelimit-reset": "1790000100",
            "x-ratelimit-used": "2",
            "x-ratelimit-resource": "core",
        },
        [RateLimit("requests", 60, 58, 100.0)],
    ),
    (
        "digitalocean",
        {
            "x-ratelimit-limit-tokens-per-minute": "100",
            "x-ratelimit-remaining-tokens-per-day": "7",
            "x-ratelimit-reset-tokens-per-day": "1789999999",
        },
        [RateLimit("tokens_minute", 100, None, None), RateLimit("tokens_day", None, 7, 0.0)],
    ),
    (
        "huggingface",
        {"ratelimit": '"api";r=489;t=55', "ratelimit-policy": '"fixed window";"api";q=500;w=300'},
        [RateLimit("requests", 500, 489, 55.0)],
    ),
    (
        "draft, several",
        {
            "RateLimit": '"default";r=50;t=30, "per day";r=0;t=3600',
            "RateLimit-Policy": '"default";q=100;w=60, "per day";q=1000;w=86400',
        },
        [RateLimit("requests", 100, 50, 30.0), RateLimit("requests_per_day", 1000, 0, 3600.0)],
    ),
    (
        "draft, a policy alone",
        {"ratelimit-policy": '"burst";q=100;w=60,"daily";q=1000;w=86400'},
        [
            RateLimit("requests_burst", 100, None, None),
            RateLimit("requests_daily", 1000, None, None),
        ],
    ),
    (
        "draft, older",
        {"ratelimit": "limit=100, remaining=50, reset=5", "ratelimit-policy": "100;w=10"},
        [RateLimit("requests", 100, 50, 5.0)],
    ),
    (
        "draft, oldest",
        {
            "ratelimit-limit": "100, 100;w=60",
            "ratelimit-remaining": "9",
            "ratelimit-reset": "6",
            "ratelimit-policy": "100;w=60",
        },
        [RateLimit("requests", 100, 9, 6.0)],
    ),
    (
        "gateways",
        {"x-ai-ratelimit-limit-a": "5", "x-rate-limit-remaining": "4"},
        [
            RateLimit("a", 5, None, None),
            RateLimit("requests", None, 4, None),
        ],
    ),
    ("nothing of the kind", {"content-type": "a", "x-request-id": "b", "x-should-retry": "c"}, []),
    ("nonsense", {"x-ratelimit-limit-tokens": "much", "x-ratelimit-reset-tokens": "soon"}, []),
    ("too large", {"x-ratelimit-limit-tokens": "9" * 5000, "ratelimit": "," * 5000}, []),
    ("not known", {"x-ratelimit-remaining-after": "1", "anthropic-ratelimit-status": "ok"}, []),
]


@pytest.mark.parametrize(
    ("headers", "limits"), [row[1:] for row in PROVIDERS], ids=[row[0] for row in PROVIDERS]
)
def test_limits(headers: Fields, limits: list[RateLimit]) -> None:
    assert list(read_limits(headers.items(), NOW)) == limits


WAITS: list[tuple[Fields, float | None]] = [
    ({}, None),
    ({"retry-after": "2"}, 2.0),
    ({"Retry-After": " 0.5 "}, 0.5),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "2", "retry-after-ms": "1500"}, 1.5),
    ({"x-ms-retry-after-ms": "250"}, 0.25),
    ({"retry-after": "Mon, 21 Sep 2026 14:14:20 GMT"}, 60.0),
    ({"retry-after": "Monday, 21-Sep-26 14:14:20 GMT"}, 60.0),
    ({"retry-after": "Mon, 21 Sep 2026 14:13:00 GMT"}, 0.0),
    ({"retry-after": "2026-09-21T14:13:30Z"}, 10.0),
    ({"retry-after": "2026-09-21T14:13:30"}, 10.0),
    ({"retry-after": "30s"}, 30.0),
    ({"retry-after": "1790000005"}, 5.0),
    ({"x-ratelimit-reset-after": "1.25"}, 1.25),
    ({"x-ratelimit-retry-after": "3"}, 3.0),
    ({"x-ratelimit-timeremaining": "55"}, 55.0),
    ({"retry-after": "soon", "x-ratelimit-reset-after": "1"}, 1.0),
    ({"retry-after": "-1"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "nan"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "Mon, 99 Sep 2026 14:14:20 GMT"}, None),
    ({"retry-after": "Mon, 21 Foo 2026 14:14:20 GMT"}, None),
    ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
]


@pytest.mark.parametrize(("headers", "wait"), WAITS, ids=str)
def test_how_long_headers_ask_to_wait(headers: Fields, wait: float | None) -> None:
    assert retry_after_s(headers.items(), NOW) == wait


@pytest.mark.parametrize(
    ("message", "wait"),
    [
        ("Rate limit reached for gpt-x. Please try again in 1.5s. Visit", 1.5),
        ("Please try again in 6m0s.", 360.0),
        ("please try again in 7m12.318s", 432.318),
        ("Please try again in 20ms.", 0.02),
        ("Please retry after 6 seconds.", 6.0),
        ("Try again in 86400 seconds", 86400.0),
        ("Retry after 1 minute", 60.0),
        ("Please retry in 2h52m39s.", 10359.0),
        ("Rate limit of 5 per 0s exceeded. Please wait 0 seconds before retrying.", 0.0),
        ("wait about 5 milliseconds", 0.005),
        ("You are using a Trial key, which is limited to 20 API calls / minute.", None),
        ("retry 3 hosts", None),
        ("please try again later", None),
        ("wait " + "9" * 300 + " days", None),
        ("", None),
    ],
)
def test_how_long_a_message_asks_to_wait(message: str, wait: float | None) -> None:
    found = waits_in_words(message)
    assert found == (wait if wait is None else pytest.approx(wait))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h2m3.5s", 3723.5),
        ("1 day", 86400),
        ("4h17m", 15420),
        ("1us", 1e-6),
        ("5", None),
        ("", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration_s(text) == seconds


def test_the_longest_reset_of_what_is_used_up() -> None:
    limits = [
        RateLimit("requests", 50, 0, 6.0),
        RateLimit("tokens", 50, 0, 9.0),
        RateLimit("requests_day", 50, 1, 3600.0),
        RateLimit("tokens_minute", 50, 0, None),
    ]
    assert exhausted_s(limits) == 9.0
    assert exhausted_s(limits[2:]) is None
    assert exhausted_s([RateLimit("requests", None, None, 4.0)]) == 4.0
    assert exhausted_s([]) is None


HEADER = st.tuples(
    st.sampled_from(sorted({name for _, headers, _ in PROVIDERS for name in headers})),
    st.text(max_size=30) | st.sampled_from(['"a', "1,2;w=3", "1e9", "99999999999", '""', "\x00"]),
)


@given(st.lists(HEADER, max_size=6), st.floats(0, 1e10))
def test_whatever_headers_hold_is_read(headers: list[tuple[str, str]], at: float) -> None:
    for limit in read_limits(headers, at):
        assert limit.name
        assert limit.limit is None or limit.limit >= 0
        assert limit.reset_s is None or limit.reset_s >= 0
    wait = retry_after_s(headers, at)
    assert wait is None or wait >= 0


@given(st.text(max_size=60))
def test_any_message_is_read(text: str) -> None:
    wait = waits_in_words(text)
    assert wait is None or wait >= 0
