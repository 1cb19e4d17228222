"""Vertex AI: each publisher's models at their address, in their format."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers import PROVIDERS
from llm_latency_lens.providers.vertex import host_of, publisher_of
from llm_latency_lens.record import Status
from llm_latency_lens.request import Operation, Prompt, Request, Secret, Target
from llm_latency_lens.timeline import Timeline

ROW = PROVIDERS["vertex"]
PLACE = "/v1/projects/p/locations/eu"
HOST = "https://aiplatform.eu.rep.googleapis.com"


def target(model: str = "gemini-x", base_url: str = ROW.base_url, **more: Any) -> Target:
    return Target("vertex", model, base_url, **{"project": "p", "region": "eu"} | more)


def asked(model: str = "gemini-x", **more: Any) -> Request:
    return ROW.build(target(model, **more), Prompt.of("Hi"))


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_hosts(region: str, host: str) -> None:
    assert host_of(region) == host
    assert asked(region=region).url.startswith(f"https://{host}/v1/projects/p/locations/{region}/")


def test_the_world_is_the_region_where_nothing_names_one() -> None:
    assert asked(region=None).url.startswith("https://aiplatform.googleapis.com/v1/projects/p/")
    assert ROW.region == "global"


@pytest.mark.parametrize(
    ("model", "publisher"),
    [
        ("gemini-3", "google"),
        ("text-embedding-005", "google"),
        ("google/gemini-3", "google"),
        ("claude-opus-4@20250514", "anthropic"),
        ("anthropic/claude-opus-4", "anthropic"),
        ("mistral-medium-3", "mistralai"),
        ("codestral-2", "mistralai"),
        ("mistralai/mistral-ocr", "mistralai"),
        ("meta/llama-4", "meta"),
        ("publishers/anthropic/models/claude", "anthropic"),
        ("projects/p/locations/r/publishers/meta/models/llama", "meta"),
        ("projects/p/locations/r/endpoints/7", "google"),
        ("endpoints/7", "google"),
        ("models/mine", "google"),
    ],
)
def test_whose_model(model: str, publisher: str) -> None:
    assert publisher_of(model) == publisher


SSE = ":streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-x", f"{PLACE}/publishers/google/models/gemini-x{SSE}"),
        ("google/gemini-x", f"{PLACE}/publishers/google/models/gemini-x{SSE}"),
        ("publishers/google/models/x", f"{PLACE}/publishers/google/models/x{SSE}"),
        ("endpoints/7", f"{PLACE}/endpoints/7{SSE}"),
        ("projects/q/locations/us/endpoints/7", f"/v1/projects/q/locations/us/endpoints/7{SSE}"),
        (
            "claude-x@2025",
            f"{PLACE}/publishers/anthropic/models/claude-x@2025:streamRawPredict",
        ),
        ("mistral-x", f"{PLACE}/publishers/mistralai/models/mistral-x:streamRawPredict"),
        ("meta/llama", f"{PLACE}/endpoints/openapi/chat/completions"),
    ],
)
def test_paths(model: str, path: str) -> None:
    assert asked(model).url == HOST + path


@pytest.mark.parametrize(
    ("model", "method"),
    [("gemini-x", ":generateContent"), ("claude-x", ":rawPredict"), ("mistral-x", ":rawPredict")],
)
def test_paths_without_streaming(model: str, method: str) -> None:
    assert asked(model, stream=False).url.endswith(f"/{model}{method}")


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ({"base_url": "http://h/v1"}, f"http://h{PLACE}"),
        ({"base_url": "http://h"}, f"http://h{PLACE}"),
        ({"base_url": "http://h/v1beta1"}, "http://h/v1beta1/projects/p/locations/eu"),
        ({"base_url": "http://h", "api_version": "v2"}, "http://h/v2/projects/p/locations/eu"),
        ({"api_version": "beta"}, f"{HOST}/v1beta1/projects/p/locations/eu"),
        (
            {"base_url": "http://h/v1/projects/a/locations/b", "project": None},
            "http://h/v1/projects/a/locations/b",
        ),
    ],
)
def test_bases(more: dict[str, Any], url: str) -> None:
    assert asked(**more).url == f"{url}/publishers/google/models/gemini-x{SSE}"


def test_a_key_alone_needs_no_project() -> None:
    request = asked(api_key=Secret("k"), project=None, region="global")
    host = "https://aiplatform.googleapis.com"
    assert request.url == f"{host}/v1/publishers/google/models/gemini-x{SSE}"
    assert dict(request.headers)["x-goog-api-key"] == "k"
    assert PLACE in asked(api_key=Secret("k")).url


@pytest.mark.parametrize("model", ["gemini-x", "claude-x", "meta/llama"])
def test_without_a_project_nothing_is_sent(model: str) -> None:
    with pytest.raises(UsageError, match="give --project, or set GOOGLE_CLOUD_PROJECT"):
        asked(model, project=None)


def test_anthropic_s_body_names_its_version_and_no_model() -> None:
    request = asked("claude-x")
    assert json.loads(request.body) == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }
    assert request.max_tokens == 4096
    assert asked("claude-x", max_tokens=7).max_tokens == 7


def test_other_bodies_name_the_model() -> None:
    assert json.loads(asked("mistralai/mistral-x").body) == {
        "model": "mistral-x",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }
    body = json.loads(asked("publishers/meta/models/llama").body)
    assert body["model"] == "meta/llama"
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("model", "method", "body"),
    [
        ("gemini-embedding-001", ":embedContent", {"content": {"parts": [{"text": "Hi"}]}}),
        ("intfloat/e5-maas", ":embedContent", {"content": {"parts": [{"text": "Hi"}]}}),
        ("text-embedding-005", ":predict", {"instances": [{"content": "Hi"}]}),
    ],
)
def test_embeddings(model: str, method: str, body: dict[str, Any]) -> None:
    build = ROW.dialect(Operation.EMBEDDINGS).build
    request = build(target(model, operation=Operation.EMBEDDINGS), Prompt.of("Hi"))
    name = model.rpartition("/")[2]
    publisher = publisher_of(model)
    assert request.url == f"{HOST}{PLACE}/publishers/{publisher}/models/{name}{method}"
    assert json.loads(request.body) == body


def captured(model: str, body: bytes) -> Timeline:
    timeline = Timeline(provider="vertex", model=model)
    timeline.start_ns, timeline.status, timeline.complete = 0, 200, True
    timeline.headers = (("content-type", "text/event-stream"),)
    timeline.add(5, body)
    return timeline


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (
            "google/gemini-x",
            b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],'
            b'"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1,"totalTokenCount":5}}',
        ),
        (
            "claude-x@2025",
            b'data: {"type":"message_start","message":{"usage":{"input_tokens":4}}}\n\n'
            b'data: {"type":"content_block_delta","delta":{"text":"Hi"}}\n\n'
            b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
            b'"usage":{"output_tokens":1}}\n\n'
            b'data: {"type":"message_stop"}\n\n',
        ),
        (
            "meta/llama",
            b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],'
            b'"usage":{"prompt_tokens":4,"completion_tokens":1}}\n\ndata: [DONE]\n\n',
        ),
        (
            "mistral-x",
            b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],'
            b'"usage":{"prompt_tokens":4,"completion_tokens":1}}\n\ndata: [DONE]\n\n',
        ),
    ],
)
def test_each_answer_is_read_in_its_publishers_format(model: str, body: bytes) -> None:
    record = ROW.decode(captured(model, body))
    assert record.status is Status.OK
    assert record.events.text == ["Hi"]
    assert (record.usage.input, record.usage.output) == (4, 1)


def test_who_one_is_and_where_comes_from_the_variables_of_both_sdks() -> None:
    assert ROW.auth == "google"
    assert ROW.key_env == ()
    assert ROW.project_env == ("GOOGLE_CLOUD_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID")
    assert ROW.region_env == ("GOOGLE_CLOUD_LOCATION", "CLOUD_ML_REGION")
    assert ROW.base_url_env == ("GOOGLE_VERTEX_BASE_URL", "ANTHROPIC_VERTEX_BASE_URL")
