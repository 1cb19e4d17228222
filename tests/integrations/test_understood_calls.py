"""From a captured call to its timeline, without a network."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from llm_latency_lens.integrations.sdk import httpx_tap
from llm_latency_lens.integrations.sdk.call import Call
from llm_latency_lens.integrations.sdk.understand import base_url_of, understood
from llm_latency_lens.providers import decode
from llm_latency_lens.record import Status
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline

GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent"
DONE = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'


def call(url: str = "http://h/v1/chat/completions", asked: Any = b"{}") -> Call:
    made = Call("POST", url, [("x-api-key", "quite-secret-01")], asked, framed=False)
    made.start_ns, made.sent_ns, made.offset_ns, made.first_ns = 1000, 1100, 50_000, 2000
    return made


def timeline_of(made: Call) -> Timeline:
    return understood(made, 3, "call-3", "app.py:1")


def answered(made: Call, *reads: tuple[bytes, int, int]) -> Timeline:
    made.status, made.whole = 200, True
    for data, read_ns, kernel_ns in reads:
        made.take(data, read_ns, kernel_ns)
    made.end()
    return timeline_of(made)


def test_stamps_are_the_kernels_where_it_made_them_all() -> None:
    made = call()
    made.first_kernel_ns = 51_900
    found = answered(made, (DONE[:9], 2000, 51_900), (DONE[9:], 3000, 52_950))
    assert found.clock_source == "kernel"
    assert (list(found.at), list(found.lag)) == ([1900, 2950], [100, 50])
    assert (found.first_byte_ns, found.closed_ns, found.complete) == (1900, 2950, True)
    assert (found.index, found.id, found.tag) == (3, "call-3", "app.py:1")
    record = decode(found)
    assert (record.status, record.ttft_ns, record.start_unix_ns) == (Status.OK, 1950, 51_000)


def test_stamps_are_the_programs_where_one_is_not_the_kernels() -> None:
    made = call()
    made.first_kernel_ns = 51_900
    found = answered(made, (DONE[:9], 2000, 51_900), (DONE[9:], 3000, 0))
    assert (found.clock_source, list(found.at), list(found.lag)) == ("user", [2000, 3000], [0, 0])
    assert found.first_byte_ns == 2000


@pytest.mark.parametrize(
    ("url", "asked", "limit"),
    [
        ("http://h/v1/chat/completions", b'{"max_completion_tokens": 7}', 7),
        ("http://h/v1/chat/completions", '{"max_tokens": 8}', 8),
        ("http://h/v1/chat/completions", memoryview(b'{"max_tokens": 9}'), 9),
        (GEMINI, b'{"generationConfig": {"maxOutputTokens": 5}}', 5),
        ("http://h/api/chat", b'{"options": {"num_predict": 4}}', 4),
        ("http://h/v1/chat/completions", b'{"max_tokens": -1, "options": 3}', None),
        ("http://h/v1/chat/completions", b"[1]", None),
        ("http://h/v1/chat/completions", b"{not json", None),
        ("http://h/v1/chat/completions", object(), None),
    ],
)
def test_the_limit_of_tokens(url: str, asked: Any, limit: int | None) -> None:
    assert timeline_of(call(url, asked)).max_tokens == limit


@pytest.mark.parametrize(
    ("url", "asked", "stream"),
    [
        ("http://h/v1/chat/completions", {"stream": True}, True),
        ("http://h/v1/chat/completions", {}, False),
        ("http://h/api/chat", {}, True),
        ("http://h/api/chat", {"stream": False}, False),
        ("http://h/v1/embeddings", {"stream": True}, False),
        (GEMINI, {"stream": True}, False),
    ],
)
def test_whether_it_streams(url: str, asked: dict[str, Any], stream: bool) -> None:
    assert timeline_of(call(url, json.dumps(asked))).stream is stream


def test_an_operation_that_its_provider_has_no_row_for() -> None:
    assert timeline_of(call("https://api.groq.com/openai/v1/embeddings")).provider == "openai"
    assert timeline_of(call("https://openrouter.ai/api/v1/rerank")).provider == "vllm"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (asyncio.CancelledError(), ErrorKind.CANCELLED, "the program cancelled the call"),
        (KeyboardInterrupt(), ErrorKind.CANCELLED, "the program cancelled the call"),
        (TimeoutError(), ErrorKind.TIMEOUT, "TimeoutError"),
        (OSError("no\nway quite-secret-01"), ErrorKind.NETWORK, "OSError: no way ******"),
    ],
)
def test_what_was_raised(error: BaseException, kind: ErrorKind, words: str) -> None:
    made = call()
    made.fail(error)
    made.fail(OSError("later"))
    made.end()
    made.end()
    found = timeline_of(made).failure
    assert found is not None
    assert (found.kind, found.stage, found.message) == (kind, Stage.WAIT, words)


def test_a_key_in_the_address_is_blanked_too() -> None:
    made = call(f"{GEMINI}?key=AIza-other-secret&alt=sse")
    found = answered(made, (b'{"error": {"message": "bad AIza-other-secret"}}', 5, 0))
    assert b"AIza" not in found.body
    assert base_url_of("https://user:word@h:1/v1?key=x") == "https://h:1"


def test_a_body_that_cannot_be_decompressed() -> None:
    made = call()
    made.headers = (("Content-Encoding", "lzw"),)
    found = answered(made, (b"???", 5, 0))
    record = decode(found)
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (ErrorKind.PROTOCOL, Stage.DECODE)
    assert record.error.message.startswith("the answer is compressed by 'lzw'")


@pytest.mark.parametrize(("version", "start_ns"), [(b"HTTP/1.1", 7), (b"HTTP/2", 1000)])
def test_a_socket_that_others_send_on_says_nothing_of_a_start(
    monkeypatch: pytest.MonkeyPatch, version: bytes, start_ns: int
) -> None:
    monkeypatch.setattr(httpx_tap, "sends_of", lambda _: (7, 9))
    made = call()
    response = httpx2.Response(200, extensions={"http_version": version})
    httpx_tap._answered(made, response, lambda *_: None)  # type: ignore[arg-type]
    assert (made.start_ns, made.status) == (start_ns, 200)


def test_a_call_is_told_of_once() -> None:
    told: list[Call] = []
    made = Call("POST", "http://h", [], None, framed=False, takers=(told.append,))
    made.end()
    made.end()
    assert told == [made]
