"""What is asked of the Gemini API: addresses, keys, bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers import PROVIDERS
from llm_latency_lens.request import Operation, Prompt, Request, Secret, Target

ROW = PROVIDERS["gemini"]
HOST = "https://generativelanguage.googleapis.com"
SSE = ":streamGenerateContent?alt=sse"


def target(model: str = "gemini-x", base_url: str = HOST, **more: Any) -> Target:
    return Target("gemini", model, base_url, **more)


def asked(*messages: dict[str, Any], **more: Any) -> Request:
    given = messages or ({"role": "user", "content": "Hi"},)
    return ROW.build(target(**more), Prompt(given))


def body(*messages: dict[str, Any], **more: Any) -> Any:
    return json.loads(asked(*messages, **more).body)


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ({}, f"{HOST}/v1beta/models/gemini-x{SSE}"),
        ({"stream": False}, f"{HOST}/v1beta/models/gemini-x:generateContent"),
        ({"base_url": "http://h:1/"}, f"http://h:1/v1beta/models/gemini-x{SSE}"),
        ({"base_url": "http://h/p/v1"}, f"http://h/p/v1/models/gemini-x{SSE}"),
        ({"base_url": "http://h/v1beta/"}, f"http://h/v1beta/models/gemini-x{SSE}"),
        ({"base_url": "http://h/v1alpha"}, f"http://h/v1alpha/models/gemini-x{SSE}"),
        (
            {"base_url": "http://h?key=k"},
            "http://h/v1beta/models/gemini-x:streamGenerateContent?key=k&alt=sse",
        ),
        (
            {"base_url": "http://h?alt=json"},
            "http://h/v1beta/models/gemini-x:streamGenerateContent?alt=json",
        ),
        (
            {"base_url": "http://h/v1beta/models/gemini-x:streamGenerateContent"},
            f"http://h/v1beta/models/gemini-x{SSE}",
        ),
        ({"api_version": "v1"}, f"{HOST}/v1/models/gemini-x{SSE}"),
        ({"api_version": "beta"}, f"{HOST}/v1beta/models/gemini-x{SSE}"),
        ({"api_version": "v1", "base_url": "http://h/v2"}, f"http://h/v2/models/gemini-x{SSE}"),
        ({"model": "models/gemini-x"}, f"{HOST}/v1beta/models/gemini-x{SSE}"),
        ({"model": "tunedModels/mine"}, f"{HOST}/v1beta/tunedModels/mine{SSE}"),
        ({"model": "a b?"}, f"{HOST}/v1beta/models/a%20b%3F{SSE}"),
    ],
)
def test_addresses(more: dict[str, Any], url: str) -> None:
    assert asked(**more).url == url


def test_a_key_has_a_header_of_its_own_and_a_token_is_a_bearers() -> None:
    assert dict(asked(api_key=Secret("AIzaX")).headers)["x-goog-api-key"] == "AIzaX"
    headers = dict(asked(api_key=Secret("ya29.x")).headers)
    assert headers["authorization"] == "Bearer ya29.x"
    assert "x-goog-api-key" not in headers
    assert not {"x-goog-api-key", "authorization"} & dict(asked().headers).keys()
    assert dict(asked().headers)["accept"] == "text/event-stream"


def test_the_variables_of_the_sdk() -> None:
    assert ROW.key_env == ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    assert ROW.base_url_env == ("GOOGLE_GEMINI_BASE_URL",)
    assert ROW.api_version_env == ("GOOGLE_GENAI_API_VERSION",)


def test_a_conversation() -> None:
    assert body(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
        {"role": "user", "content": [{"type": "text", "text": "Bye"}]},
        max_tokens=9,
        temperature=0.5,
    ) == {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hello"}]},
            {"role": "user", "parts": [{"text": "Bye"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "And kind."}]},
        "generationConfig": {"maxOutputTokens": 9, "temperature": 0.5},
    }


def test_nothing_is_set_that_was_not_asked_for() -> None:
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    request = ROW.build(target(max_tokens=9), Prompt(({"role": "user", "content": "Hi"},), 3))
    assert json.loads(request.body)["generationConfig"] == {"maxOutputTokens": 3}
    assert request.max_tokens == 3


def test_an_image_and_google_s_own_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    own = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
    assert body({"role": "user", "content": [image]}, own)["contents"] == [
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBO"}}]},
        own,
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/x"}}]},
        {"role": "user", "content": [{"type": "input_audio"}]},
        {"role": "user", "content": ["text"]},
    ],
)
def test_a_message_without_a_form_there_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="parts"):
        asked(message)


def test_more_settings_join_those_that_are_sent() -> None:
    config = {"thinkingConfig": {"includeThoughts": True}, "temperature": None}
    extra = {"generationConfig": config, "safetySettings": []}
    found = body(max_tokens=9, temperature=1.0, extra_body=extra)
    assert found["generationConfig"] == {
        "maxOutputTokens": 9,
        "thinkingConfig": {"includeThoughts": True},
    }
    assert found["safetySettings"] == []
    assert "generationConfig" not in body(max_tokens=9, extra_body={"generationConfig": None})
    nothing = {"generationConfig": {"maxOutputTokens": None}}
    assert "generationConfig" not in body(max_tokens=9, extra_body=nothing)


def test_embeddings() -> None:
    build = ROW.dialect(Operation.EMBEDDINGS).build
    request = build(target("gemini-embedding-001", operation=Operation.EMBEDDINGS), Prompt.of("Hi"))
    assert request.url == f"{HOST}/v1beta/models/gemini-embedding-001:embedContent"
    assert json.loads(request.body) == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "Hi"}]},
    }
    assert request.operation is Operation.EMBEDDINGS
    assert dict(request.headers)["accept"] == "application/json"
