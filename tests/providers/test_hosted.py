"""Services that speak chat completions: how each is asked, and what each tells besides."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import PROVIDERS, decode, get
from llm_latency_lens.record import Record, Status
from llm_latency_lens.request import Prompt, Target
from llm_latency_lens.testing.conformance import Sample, capture, load_samples

HI = Prompt.of("Hi")
HOSTED = (
    *("groq", "deepseek", "xai", "together", "fireworks", "openrouter", "perplexity"),
    *("cerebras", "mistral", "huggingface"),
)
SAMPLES = {
    sample.name: sample
    for sample in load_samples(Path(__file__).parents[1] / "conformance" / "hosted.jsonl")
}


def url(name: str, base: str, model: str = "m") -> str:
    return get(name).build(Target(name, model, base), HI).url


def sent(name: str, model: str = "m", **more: Any) -> dict[str, Any]:
    row = get(name)
    one = Target(name, model, row.base_url, max_tokens=3, **more)
    body = json.loads(row.build(one, HI).body)
    assert isinstance(body, dict)
    return body


def understood(name: str) -> Record:
    sample = SAMPLES[name]
    return decode(capture(sample, (len(sample.body),)))


@pytest.mark.parametrize("name", [*HOSTED, "litellm", "tensorrt-llm", "vllm"])
@pytest.mark.parametrize("base", ["http://h:1/v1", "http://h:1/v1/", "http://h:1/proxy/v1"])
def test_a_base_that_ends_in_v1_is_followed_by_the_path(name: str, base: str) -> None:
    assert url(name, base) == base.rstrip("/") + "/chat/completions"


@pytest.mark.parametrize(
    ("name", "base", "path"),
    [
        ("groq", "https://api.groq.com", "/openai/v1/chat/completions"),
        ("deepseek", "https://api.deepseek.com", "/chat/completions"),
        ("together", "https://api.together.xyz", "/v1/chat/completions"),
        ("fireworks", "https://gateway", "/v1/chat/completions"),
        ("perplexity", "https://api.perplexity.ai", "/chat/completions"),
        ("cerebras", "https://api.cerebras.ai", "/v1/chat/completions"),
        ("mistral", "https://api.mistral.ai", "/v1/chat/completions"),
        ("huggingface", "https://router.huggingface.co", "/v1/chat/completions"),
        ("mistral", "https://api.eu.mistral.ai/v1/chat/completions", ""),
    ],
)
def test_a_base_as_the_services_own_package_has_it(name: str, base: str, path: str) -> None:
    assert url(name, base) == base + path


@pytest.mark.parametrize("name", HOSTED)
def test_each_is_asked_for_what_it_knows(name: str) -> None:
    body = sent(name)
    newer = name in ("groq", "cerebras")
    assert body["max_completion_tokens" if newer else "max_tokens"] == 3
    assert len(body.keys() & {"max_tokens", "max_completion_tokens"}) == 1
    assert ("stream_options" in body) is (name not in ("mistral", "perplexity"))
    assert get(name).small_model


def test_every_name_that_was_promised() -> None:
    assert set(HOSTED) <= PROVIDERS.keys()
    assert all(PROVIDERS[name].needs_key and PROVIDERS[name].key_env for name in HOSTED)


@pytest.mark.parametrize("base", ["https://api.perplexity.ai", "https://api.perplexity.ai/v1"])
def test_perplexitys_agent_is_asked_by_responses(base: str) -> None:
    assert url("perplexity", base, "perplexity/sonar") == "https://api.perplexity.ai/v1/responses"
    body = sent("perplexity", "openai/gpt-5-nano")
    assert body["max_output_tokens"] == 3
    assert body["input"] == [{"role": "user", "content": "Hi"}]


def test_perplexitys_presets_are_the_agents() -> None:
    body = sent("perplexity", "fast", extra_body={"preset": "fast", "model": None})
    assert body["preset"] == "fast"
    assert "input" in body
    assert "model" not in body


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("openrouter-stream", "0.0144095"),
        ("perplexity-stream", "0.00501"),
        ("perplexity-deep-research", "0.409"),
        ("xai-stream", "0.00013305"),
        ("groq-stream", None),
        ("xai-citations", None),
    ],
)
def test_what_was_charged(name: str, dollars: str | None) -> None:
    assert understood(name).billed_usd == (None if dollars is None else Decimal(dollars))


@pytest.mark.parametrize(
    ("name", "tier"),
    [("mistral-stream", "standard"), ("cerebras-stream", "default"), ("groq-stream", None)],
)
def test_which_tier_answered(name: str, tier: str | None) -> None:
    assert understood(name).service_tier == tier


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        (
            "groq-stream",
            {"queue_time": 41.5, "prompt_time": 10.4, "completion_time": 46.6, "total_time": 57.0},
        ),
        (
            "cerebras-stream",
            {"queue_time": 0.1, "prompt_time": 0.9, "completion_time": 3.0, "total_time": 4.9},
        ),
        (
            "fireworks-stream",
            {"server-time-to-first-token": 210.0, "server-processing-time": 930.0},
        ),
        ("together-stream", {}),
    ],
)
def test_how_long_it_says_that_it_took(name: str, hints: dict[str, float]) -> None:
    assert understood(name).hints_ms == pytest.approx(hints)


def test_times_in_headers() -> None:
    sample = SAMPLES["fireworks-stream"]
    timeline = capture(sample, (len(sample.body),))
    timeline.headers = (
        ("Fireworks-Server-Time-To-First-Token", "0.5"),
        ("fireworks-server-processing-time", "soon"),
        ("fireworks-prompt-tokens", "12"),
        ("fireworks-backend-host", "internal"),
        ("x-kong-upstream-latency", "33"),
        ("x-litellm-response-duration-ms", "81.5"),
        ("x-litellm-key-spend", "3"),
    )
    record = decode(timeline)
    assert record.hints_ms["fireworks-server-time-to-first-token"] == 500.0
    assert record.hints_ms["x-kong-upstream-latency"] == 33.0
    assert record.hints_ms["x-litellm-response-duration-ms"] == 81.5
    assert "fireworks-server-processing-time" not in record.hints_ms
    assert "fireworks-prompt-tokens" in record.headers
    assert not {"fireworks-backend-host", "x-litellm-key-spend"} & record.headers.keys()


@pytest.mark.parametrize("value", ["1e999", "nan", "x", -1, True, None, 1e300, 10**400, [], {}])
def test_what_is_no_time_is_no_hint(value: Any) -> None:
    chunk = {
        "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}],
        "perf_metrics": {"server-processing-time": value, "prefill-duration": "0.25"},
        "timings": {"prompt_ms": value, "predicted_n": 3},
        "time_info": {"queue_time": -2.0},
    }
    body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
    record = decode(capture(Sample("s", body, provider="fireworks"), (len(body),)))
    assert record.status is Status.OK
    assert record.hints_ms == {"prefill-duration": 250.0}


def test_timings_in_every_event_are_those_of_the_last() -> None:
    chunks = [
        {"choices": [{"delta": {"content": "a"}}], "timings": {"predicted_ms": 1, "prompt_ms": 5}},
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "timings": {"predicted_ms": 2}},
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode()
    record = decode(capture(Sample("s", body, provider="llamacpp"), (len(body),)))
    assert record.hints_ms == {"predicted_ms": 2.0, "prompt_ms": 5.0}


def test_reasoning_beside_the_output_was_never_streamed() -> None:
    record = understood("perplexity-deep-research")
    assert (record.usage.output, record.usage.reasoning) == (81158, 73995)
    assert record.streamed_tokens == 7163


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_samples_never_raise(name: str, data: st.DataObject) -> None:
    sample = SAMPLES[name]
    damaged = bytearray(sample.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    other = Sample(
        "s", bytes(damaged), status=sample.status, headers=sample.headers, provider=sample.provider
    )
    record = decode(capture(other, (len(damaged),)))
    assert (record.error is None) == (record.status is Status.OK)
