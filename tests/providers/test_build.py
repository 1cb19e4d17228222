from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from llm_latency_lens import __version__
from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers import get
from llm_latency_lens.providers.openai_chat import build, build_openai
from llm_latency_lens.request import Prompt, Request, Secret, Target

target = partial(Target, provider="vllm", model="m", base_url="http://h:1/v1")
HI = Prompt.of("Hi")


def body(request: Request) -> dict[str, Any]:
    document = json.loads(request.body)
    assert isinstance(document, dict)
    return document


def test_a_whole_request() -> None:
    request = build(target(max_tokens=7, temperature=0.5, api_key=Secret("k")), HI)
    assert (request.method, request.url) == ("POST", "http://h:1/v1/chat/completions")
    assert (request.provider, request.model, request.stream) == ("vllm", "m", True)
    assert (request.max_tokens, request.tag) == (7, None)
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "user-agent": f"llm-latency-lens/{__version__}",
        "authorization": "Bearer k",
    }
    assert body(request) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.5,
    }


def test_without_streaming_and_without_a_key() -> None:
    request = build(target(stream=False), Prompt(({"role": "user", "content": "é"},), tag="t"))
    assert body(request) == {
        "model": "m",
        "messages": [{"role": "user", "content": "é"}],
        "stream": False,
    }
    assert dict(request.headers)["accept"] == "application/json"
    assert "authorization" not in dict(request.headers)
    assert (request.stream, request.tag) == (False, "t")


def test_a_prompt_has_the_last_word_on_the_limit() -> None:
    request = build(target(max_tokens=7), Prompt(HI.messages, max_tokens=9))
    assert request.max_tokens == body(request)["max_tokens"] == 9


def test_extra_body_overrides_and_removes() -> None:
    extra = {"model": "other", "stream_options": None, "absent": None, "top_k": 5}
    sent = body(build(target(extra_body=extra), HI))
    assert sent["model"] == "other"
    assert "stream_options" not in sent
    assert "absent" not in sent
    assert sent["top_k"] == 5


def test_headers_of_the_user_replace_ours() -> None:
    headers = (("Authorization", "Basic x"), ("X-Y", "1"), ("USER-AGENT", "me"))
    sent = build(target(api_key=Secret("k"), headers=headers), HI).headers
    assert sent == (
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
        *headers,
    )


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("http://h", "http://h/chat/completions"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("http://h/v1/chat/completions/", "http://h/v1/chat/completions"),
        ("https://h/d?api-version=1", "https://h/d/chat/completions?api-version=1"),
    ],
)
def test_addresses(base: str, url: str) -> None:
    assert build(target(base_url=base), HI).url == url


@pytest.mark.parametrize(
    ("base", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://API.openai.com/v1", "max_completion_tokens"),
        ("http://127.0.0.1:8000/v1", "max_tokens"),
        ("https://api.openai.com.example.org/v1", "max_tokens"),
    ],
)
def test_only_openai_itself_is_asked_by_the_newer_name(base: str, field: str) -> None:
    sent = body(build_openai(target(base_url=base, max_tokens=3), HI))
    assert sent[field] == 3
    assert len(sent.keys() & {"max_tokens", "max_completion_tokens"}) == 1


def test_rows_build_by_the_same_function() -> None:
    local = get("sglang")
    one = Target(provider="sglang", model="m", base_url=local.base_url, max_tokens=3)
    assert local.build(one, HI).url == "http://127.0.0.1:30000/v1/chat/completions"
    assert body(local.build(one, HI))["max_tokens"] == 3


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        build(target(extra_body={"x": object()}), HI)


def test_a_key_is_never_printed() -> None:
    request = build(target(api_key=Secret("hush-hush"), headers=(("X-Key", "hush-hush"),)), HI)
    assert "hush" not in repr(request)
    assert b"hush" not in request.body
