from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_latency_lens.providers import redact as module
from llm_latency_lens.providers.openai_chat import decode
from llm_latency_lens.providers.redact import redact, safe_prefix
from llm_latency_lens.timeline import Timeline


def event(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Hello there", "xxxxxxxxxxx"),
        ("é文🙂a", "é文🙂x"),
        ("ßжö", "ééé"),
        (r"a\n\"\\\/b", r"x\n\n\n\nx"),
        (r"\u00e9A\u0041", r"\u0078x\u0078"),
        (r"\uD83D\ude00!", r"\ud83d\ude42x"),
        (r"\ude00\ud83d", r"\ude42\ud83d"),
        ("", ""),
        ("42", "xx"),
    ],
)
def test_characters_keep_their_width(said: str, left: str) -> None:
    for shape in ('{{"choices":[{{"delta":{{"content":"{}"}}}}]}}', '{{"text" : [ "{}" ]}}'):
        assert redact(event(shape.format(said))) == event(shape.format(left))


def test_names_stay_and_words_go() -> None:
    body = event(
        '{"id":"c-1","object":"chat.completion.chunk","model":"my \\"big\\" model","created":1,'
        '"system_fingerprint":"fp","service_tier":"default","choices":[{"index":0,"delta":{"role":'
        '"assistant","content":"zebra","tool_calls":[{"id":"t1","type":"function","function":'
        '{"name":"zebra","arguments":"{\\"zebra\\""}}]},"finish_reason":"stop"}],"type":"a zebra"}'
    )
    left = redact(body)
    assert b"zebra" not in left
    document = json.loads(left[6:])
    assert document["id"] == "c-1"
    assert document["model"] == 'my "big" model'
    assert document["choices"][0]["delta"]["tool_calls"][0] == {
        "id": "t1",
        "type": "function",
        "function": {"name": "xxxxx", "arguments": "x\nxxxxx\n"},
    }
    assert document["choices"][0]["finish_reason"] == "stop"
    assert document["type"] == "xxxxxxx"


def test_numbers_that_stand_for_text_go() -> None:
    body = event(
        '{"choices":[{"delta":{"content":"S"},"token_ids":[83, 105],"logprobs":{"content":['
        '{"id":67,"token":"S","bytes":[83],"logprob":-3.66e-2,"top_logprobs":[{"id":5,"code":"S"}]}]}}],'
        '"usage":{"prompt_tokens":67}}'
    )
    assert redact(body) == event(
        '{"choices":[{"delta":{"content":"x"},"token_ids":[11, 111],"logprobs":{"content":['
        '{"id":11,"token":"x","bytes":[11],"logprob":-1.11e-1,"top_logprobs":[{"id":1,"code":"x"}]}]}}],'
        '"usage":{"prompt_tokens":67}}'
    )


def test_inside_arguments_no_key_protects_a_value() -> None:
    body = event(
        '{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"code":"rm"}}}]}}]}'
    )
    assert b'"arguments":{"code":"xx"}' in redact(body)


@pytest.mark.parametrize(
    "kept",
    [
        '{"error":{"message":"No such model: m","type":"x","param":"messages","code":"y"}}',
        '{"error":"Model is overloaded","error_type":"overloaded"}',
        '{"object":"error","message":"too long","type":"BadRequestError","code":400}',
        '{"detail":"Not Found"}',
        '{"detail":[{"loc":["body","messages",0],"msg":"Field required","type":"missing"}]}',
        '{"statusCode":401,"message":"Access denied"}',
    ],
)
def test_errors_stay(kept: str) -> None:
    kept = kept.replace('"messages","code":"y"', '"xxxxxxxx","code":"y"')
    assert redact(kept.encode()) == kept.encode()
    assert redact(event(kept)) == event(kept)


def test_named_errors_stay() -> None:
    for body in (
        b'id: \nevent: error\ndata: {"message":"broke"}\n\n',
        b'error: {"message":"broke"}\n\n',
    ):
        assert redact(body) == body


def test_what_errors_repeat_goes() -> None:
    key = '{"error":{"message":"wrong key sk-abcdefgh, Bearer ab.cdef or ****ef"}}'
    assert redact(key.encode()).decode() == (
        '{"error":{"message":"wrong key sk-********, Bearer ******* or ****xx"}}'
    )
    for echo in (
        '{"error":{"message":"bad: \'input\': \'zebra\'"}}',
        '{"detail":[{"msg":"bad","input":"zebra","ctx":{"error":"zebra"}}]}'.replace(
            "ctx", "context"
        ),
        '{"error":{"message":"ok","metadata":{"raw":"zebra"}}}',
        '{"message":"zebra"}',
        '{"error":{"message":"zebra',
    ):
        left = redact(echo.encode())
        assert b"zebra" not in left.replace(b'"error":"zebra"', b"")
        assert len(left) == len(echo)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b": OPENROUTER PROCESSING\n\n", b": xxxxxxxxxx xxxxxxxxxx\n\n"),
        (b"data: [DONE]\n\ndata:[DONE]", b"data: [DONE]\n\ndata:[DONE]"),
        (b"data: not [DONE]\n", b"data: xxx xxxxxx\n"),
        (b"event: ping\nid: abc\nretry: 30\n", b"event: ping\nid: xxx\nretry: 30\n"),
        (b'plain words 7\n and "more"\\', b"xxxxx xxxxx x\n xxx xxxxxxx"),
        (b"caf\xe9 \x00", b"xxx\xe9 \x00"),
        (b"data: {\ndata", b"data: {\ndata"),
        (b"null", b"null"),
        (b"nullify", b"xxxxxxx"),
        (b"", b""),
    ],
)
def test_outside_json(body: bytes, left: bytes) -> None:
    assert redact(body) == left


def test_pages_keep_their_title() -> None:
    page = b"\n<html><head><title>Just a moment</title></head>\n<p>zebra</p>"
    left = redact(page)
    assert b"<title>Just a moment<" in left
    assert b"zebra" not in left
    assert (len(left), redact(left)) == (len(page), left)
    assert redact(b"<zebra") == b"<xxxxx"


@pytest.mark.parametrize("cut", range(7, 62))
def test_a_string_that_was_cut_off_goes_too(cut: int) -> None:
    body = event('{"choices":[{"delta":{"content":"zebra \\" zebra"}}]}')[:cut]
    left = redact(body)
    assert b"zeb" not in left
    assert len(left) == len(body)


def test_an_unfinished_string_is_no_key_of_what_follows() -> None:
    assert b"zebra" not in redact(b'data: {"content": "zebra\n: comment\n\n')


# -- where a stream can be cut -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "start", "end"),
    [
        (b"data: a\n\ndata: b", 0, 9),
        (b"data: a\n\ndata: b\n", 0, 9),
        (b"data: a\n\ndata: b\n\n", 9, 18),
        (b"data: a\n\ndata: b", 9, 9),
        (b"data: a\r\n\r\ndata", 0, 11),
        (b"data: a\r\n\r", 0, 0),
        (b"data: a\r\rdata: b\n\n\n", 0, 19),
        (b"data: a", 0, 0),
        (b"", 0, 0),
        (b'{"a":\n\n1}', 0, 0),
        (b"<p>\n\n", 0, 0),
    ],
)
def test_safe_prefix(body: bytes, start: int, end: int) -> None:
    assert safe_prefix(body, start) == end
    assert safe_prefix(bytearray(body), start) == end


# -- properties --------------------------------------------------------------------------------

WORD = st.text(max_size=4).map(lambda text: "zebra" + text)
PARTS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": WORD}), max_size=2)
CALL = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("t1"),
        "function": st.fixed_dictionaries(
            {"name": WORD}, optional={"arguments": WORD | st.dictionaries(st.just("code"), WORD)}
        ),
    },
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": WORD | PARTS | st.none(),
        "reasoning": WORD,
        "reasoning_content": WORD | st.none(),
        "reasoning_details": st.lists(st.fixed_dictionaries({"text": WORD}), max_size=2),
        "refusal": WORD | st.none(),
        "tool_calls": st.lists(CALL, max_size=2),
    },
)
LOGS = st.fixed_dictionaries(
    {"content": st.lists(st.fixed_dictionaries({"token": WORD}), max_size=2)}
)
CHOICE = st.fixed_dictionaries(
    {"delta": DELTA | st.none()},
    optional={
        "finish_reason": st.sampled_from([None, "stop", "length", "error"]),
        "logprobs": LOGS | st.none(),
        "index": st.integers(0, 1),
    },
)
CHUNK = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, max_size=2)},
    optional={
        "id": st.sampled_from(["c1", 7]),
        "model": st.just("m/x"),
        "error": st.sampled_from([None, "gone", {"message": "it broke", "code": 500}]),
        "usage": st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9)}),
        "obfuscation": WORD,
    },
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    escaped = draw(st.booleans())
    out = ""
    for chunk in draw(st.lists(CHUNK, max_size=4)):
        if draw(st.booleans()):
            out += f": zebra{end}"
        indent = draw(st.sampled_from([None, 1]))
        text = json.dumps(chunk, ensure_ascii=escaped, indent=indent)
        out += "".join(f"data: {line}{end}" for line in text.split("\n")) + end
    out += draw(st.sampled_from(["", f"data: [DONE]{end}{end}"]))
    return out.encode("utf-8", "surrogatepass")


def numbers(body: bytes, *, complete: bool = True) -> dict[str, Any]:
    timeline = Timeline()
    timeline.status, timeline.complete = 200, complete
    for place in range(0, len(body), 5):
        timeline.add(place, body[place : place + 5])
    members = asdict(decode(timeline))
    del members["events"]["text"]
    return members


@given(streams(), st.data())
@example(b"data: zebra\n\n", None)
def test_redaction_changes_nothing_but_the_text(body: bytes, data: st.DataObject | None) -> None:
    if data is not None:
        body = body[: data.draw(st.integers(0, len(body)))]
    left = redact(body)
    assert b"zebra" not in left
    assert len(left) == len(body)
    assert redact(left) == left
    assert numbers(left) == numbers(body)
    assert numbers(left, complete=False) == numbers(body, complete=False)


@given(st.lists(CHUNK.filter(lambda chunk: not chunk.get("error")), max_size=3))
def test_the_fast_road_and_the_walk_agree(chunks: list[dict[str, Any]]) -> None:
    for chunk in chunks:
        body = f"data: {json.dumps(chunk)}".encode()
        if not module._nested(body):
            assert module._walk(body) == module._PLAIN.sub(module._blank_last, body)


@given(st.binary(max_size=80))
def test_any_bytes_keep_their_length(body: bytes) -> None:
    left = redact(body)
    assert len(left) == len(body)
    assert redact(left) == left
    assert left.count(b"\n") == body.count(b"\n")
