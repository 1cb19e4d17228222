from __future__ import annotations

from llm_latency_lens.providers.common import hints, kept_headers


def test_kept_headers_are_an_allow_list() -> None:
    kept = {
        "Content-Type": "text/event-stream",
        "date": "now",
        "server": "uvicorn",
        "via": "1.1 google",
        "age": "3",
        "x-request-id": "req_1",
        "apim-request-id": "a",
        "x-amzn-requestid": "b",
        "request-id": "c",
        "cf-ray": "d-FRA",
        "retry-after": "3",
        "retry-after-ms": "3000",
        "x-ratelimit-remaining-tokens": "9",
        "anthropic-ratelimit-requests-limit": "9",
        "ratelimit-reset": "1",
        "openai-processing-ms": "12",
        "openai-model": "m",
        "x-envoy-upstream-service-time": "10",
        "server-timing": "a;dur=1",
        "x-ms-region": "Sweden",
        "x-groq-region": "dmm",
        "x-served-model": "m",
        "x-generation-id": "gen-1",
        "x-inference-time": "5",
    }
    dropped = {
        "set-cookie": "session=1",
        "authorization": "Bearer x",
        "proxy-authenticate": "Basic",
        "openai-organization": "org-1",
        "x-api-key": "k",
        "x-user-id": "u",
        "x-auth-token": "t",
        "link": "y",
    }
    found = kept_headers([*kept.items(), *dropped.items()])
    assert found == {name.lower(): value for name, value in kept.items()}


def test_long_values_are_cut() -> None:
    assert len(kept_headers([("via", "x" * 9999)])["via"]) == 256


def test_hints_take_only_numbers() -> None:
    found = hints(
        [
            ("OpenAI-Processing-Ms", " 12 "),
            ("x-queue-time", "1.5"),
            ("x-total-time", "-3"),
            ("x-inference-time", "nan"),
            ("x-anything", "4"),
            ("server-timing", 'cdn-cache; desc=HIT, db;dur=53.2;desc="x", app;desc=y; dur="4"'),
        ]
    )
    assert found == {
        "openai-processing-ms": 12.0,
        "x-queue-time": 1.5,
        "server-timing.db": 53.2,
        "server-timing.app": 4.0,
    }
