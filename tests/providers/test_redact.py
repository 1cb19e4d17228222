from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_latency_lens.providers.openai_chat import decode
from llm_latency_lens.providers.redact import redact
from llm_latency_lens.providers.redact_json import nested, plain, walk
from llm_latency_lens.timeline import Timeline


def event(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Hello there", "xxxxxxxxxxx"),
        ("é文🙂a", "é文🙂x"),
        ("ßжö", "ééé"),
        (r"a\n\"\\\/b", r"x\n\n\n\/x"),
        (r"\u000A\u0022\u0001\u001f", r"\u0009\u0009\u0001\u0001"),
        (r"\u00e9A\u0041", r"\u0142x\u0142"),
        (r"\uD83D\ude00!", r"\ud83d\ude80x"),
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
        '{"id":11,"token":"x","bytes":[11],"logprob":-1.11e-2,"top_logprobs":[{"id":1,"code":"x"}]}]}}],'
        '"usage":{"prompt_tokens":67}}'
    )


def test_lists_of_numbers_go_whatever_their_form() -> None:
    body = (
        b'{"data":[{"embedding":[0.25, -3.5e-05,\n null, 7,1E5]}],"list":[],"rest":[[12],{"n":34}]}'
    )
    assert redact(body) == (
        b'{"data":[{"embedding":[1.11, -1.1e-05,\n null, 1,1E5]}],"list":[],"rest":[[11],{"n":34}]}'
    )


def test_base64_stays_base64() -> None:
    assert redact(b'{"embedding":"zq3yPw=="}') == b'{"embedding":"xxxxxx=="}'
    assert redact(b'{"text":"==\\n="}') == b'{"text":"xx\\nx"}'


@pytest.mark.parametrize("key", ["arguments", "args", "input", "documents"])
def test_objects_of_the_model_lose_their_keys_too(key: str) -> None:
    body = '{"code":"rm -r","type":"x","ab":[{"id":"z"}],"cd":-12.50e3,"ab":105,"n":[7,0.10]}'
    left = '{"xxxx":"xxxxx","xxxy":"x","xx":[{"xx":"x"}],"xy":-11.10e3,"xx":101,"x":[1,0.10]}'
    assert redact(f'{{"{key}":{body}}}'.encode()) == f'{{"{key}":{left}}}'.encode()


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["ab", "cd", "ab"], ["xx", "xy", "xx"]),
        (["é", "ö"], ["é", "ê"]),
        (["文本", "城市"], ["文文", "文斈"]),
        (["🙂", "🙄"], ["🙂", "🙃"]),
        ([r"\u00e9", r"\u00f6"], [r"\u0142", r"\u0143"]),
        ([r"a\n文", r"b\t本"], [r"x\n文", r"y\n文"]),
        ([r"\n", r"\t"], [r"\n", r"\n"]),
        (["a=", "b="], ["x=", "y="]),
    ],
)
def test_keys_that_differ_still_differ(given: list[str], left: list[str]) -> None:
    body = '{"args":{' + ",".join(f'"{key}":1' for key in given) + "}}"
    wanted = '{"args":{' + ",".join(f'"{key}":1' for key in left) + "}}"
    assert redact(body.encode()).decode() == wanted
    assert redact(wanted.encode()).decode() == wanted


def test_a_key_of_broken_characters_stays_broken() -> None:
    body = b'{"args":{"\xe9\xe9":1,"\xe8\xe9":1}}'
    assert redact(body) == body


def test_a_number_that_would_change_its_length_stays() -> None:
    body = b'{"args":{"a":3.4694312025391104e+16,"b":9e999}}'
    assert redact(body) == b'{"args":{"x":3.4694312025391104e+16,"y":1e999}}'


def test_a_thousand_keys_stay_a_thousand() -> None:
    given = {f"key{number:04}": number for number in range(3000)}
    left = json.loads(redact(json.dumps({"args": given}).encode()))["args"]
    assert len(left) == len(given)
    assert "key" not in "".join(left)


def test_pieces_of_an_argument_lose_their_numbers_and_keep_their_form() -> None:
    body = b'{"partialArgs":[{"jsonPath":"$.a","numberValue":0.250,"boolValue":true}]}'
    left = b'{"partialArgs":[{"jsonPath":"xxx","numberValue":0.110,"boolValue":true}]}'
    assert redact(body) == left


@pytest.mark.parametrize(
    "kept",
    [
        '{"error":{"message":"No such model: m","type":"x","param":"messages","code":"y"}}',
        '{"error":"Model is overloaded","error_type":"overloaded"}',
        '{"object":"error","message":"too long","type":"BadRequestError","code":400}',
        '{"detail":"Not Found"}',
        '{"detail":[{"loc":["body","messages",0],"msg":"Field required","type":"missing"}]}',
        '{"statusCode":401,"message":"Access denied"}',
        '{"message":"Access denied","code":"no_access"}',
        '{"__type":"com.amazon#Throttling","Message":"Rate exceeded"}',
        '{"Output":{"__type":"UnknownOperation","message":"no such"}}',
        '{"error":{"type":"t","message":"Too fast","details":{"error_code":"ramp"}}}',
        '{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"It was blocked."}}',
        '{"error":{"code":429,"message":"m","status":"X","details":[{"@type":"t/RetryInfo",'
        '"retryDelay":"7s"},{"reason":"R","metadata":{"quota_limit":"PerDay"}},{"violations":['
        '{"quotaId":"q","quotaMetric":"a/b","quotaValue":"0"}]}]}}',
        '{"response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}',
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
        '{"content":{"message":"zebra"}}',
        '{"error":{"message":"zebra',
        '{"message":"zebra',
        '{"args":{"error":{"message":"zebra"}}}',
        '{"code":"zebra"}',
        '{"incomplete_details":{"reason":"a zebra"},"reason":"zebra"}',
    ):
        left = redact(echo.encode())
        assert b"zebra" not in left.replace(b'"error":"zebra"', b"")
        assert len(left) == len(echo)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b": OPENROUTER PROCESSING\n\n", b": xxxxxxxxxx xxxxxxxxxx\n\n"),
        (b"data: [DONE]\n\ndata:[DONE]", b"data: [DONE]\n\ndata:[DONE]"),
        (b"data: not [DONE]\n", b"data: xxx xxxxx]\n"),
        (b'{"a":oops},7]', b'{"a":xxxx},7]'),
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
        if not nested(body):
            assert walk(body) == plain(body)


@given(st.binary(max_size=80))
def test_any_bytes_keep_their_length(body: bytes) -> None:
    left = redact(body)
    assert len(left) == len(body)
    assert redact(left) == left
    assert left.count(b"\n") == body.count(b"\n")
