"""Where a growing body can be cut, and that its pieces are blanked like the whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers.redact import redact, safe_prefix


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
        (b"event: x\ndata: {\n\n", 0, 18),
        (b"", 0, 0),
        (b'{"a":\n\n1}', 0, 0),
        (b"<p>\n\n", 0, 0),
        # JSON lines
        (b'{"a":1}\n{"b', 0, 8),
        (b'{"a":1}\n{"b":2}\r\n', 8, 17),
        (b'{"a":1}\n{"b', 8, 8),
        (b'{"a":1}', 0, 0),
        (b'{"a":1}\nrubbish\n', 8, 16),
        (b'\n{"a":1}\n', 0, 9),
        (b'\xef\xbb\xbf{"a":1}\n', 0, 11),
        (b'{"a":{}\n}\n', 0, 0),
        (b'{"a":{}}}\n', 0, 0),
        (b'{"a' + b":[" * 2000 + b"\n", 0, 0),
        # a JSON array in pieces
        (b'[{"a":1}', 0, 8),
        (b'[{"a":1}\n,{"b":"]', 0, 8),
        (b'[{"a":1}\n,{"b":"}"}', 8, 19),
        (b'[{"a":[1]},{"b":{}}]', 10, 20),
        (b' [{"a":"\\"}', 0, 0),
        (b"[1,2,3", 0, 0),
        (b"[[1.5],[2", 0, 6),
        (b"[]", 0, 2),
    ],
)
def test_safe_prefix(body: bytes, start: int, end: int) -> None:
    assert safe_prefix(body, start) == end
    assert safe_prefix(bytearray(body), start) == end


def test_an_error_in_one_line_protects_no_other() -> None:
    lines = b'{"message":"it broke"}\n{"message":{"content":"zebra"},"code":"zebra"}\n'
    assert redact(lines) == lines.replace(b"zebra", b"xxxxx")
    array = b'[{"message":"it broke"}\n,{"code":"zebra"}]'
    assert redact(array) == b'[{"message":"it broke"}\n,{"code":"xxxxx"}]'


def test_an_error_between_the_events() -> None:
    body = b'data: {"a":"zebra"}\n\n{\n "error": {"code": 503, "message": "it broke"}\n}\n'
    assert redact(body) == body.replace(b"zebra", b"xxxxx")


WORD = st.text(max_size=3).map(lambda text: "zebra" + text)
VALUE = st.recursive(
    WORD | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORD, inner, max_size=2),
    max_leaves=4,
)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "content": WORD | st.lists(WORD, max_size=2),
        "args": st.dictionaries(WORD, VALUE, max_size=3),
        "usage": st.fixed_dictionaries({"input_tokens": st.integers(0, 9)}),
        "error": st.sampled_from([None, "gone", {"message": "it broke", "code": "c"}]),
        "message": st.sampled_from(["it broke", {"content": "zebra"}]),
        "type": st.just("delta"),
    },
).filter(bool)


@given(st.lists(EVENT, min_size=1, max_size=4), st.booleans(), st.booleans(), st.data())
def test_pieces_are_blanked_like_the_whole(
    events: list[dict[str, Any]], array: bool, escaped: bool, data: st.DataObject
) -> None:
    texts = [json.dumps(event, ensure_ascii=escaped) for event in events]
    text = "[" + "\n,".join(texts) + "\n]" if array else "".join(f"{text}\n" for text in texts)
    body = text.encode("utf-8", "replace")
    body = body[: data.draw(st.integers(0, len(body)))]
    out, start = b"", 0
    for size in range(0, len(body), data.draw(st.integers(1, 9))):
        end = safe_prefix(bytearray(body[:size]), start)
        assert start <= end <= size
        out += redact(body[start:end])
        start = end
    out += redact(body[start:])
    assert out == redact(body)
    assert len(out) == len(body)
    assert redact(out) == out
    assert b"zebra" not in out


def written(given: Any) -> str:
    return json.dumps(given, ensure_ascii=False)


@given(st.dictionaries(WORD, VALUE, max_size=4), st.booleans())
def test_what_is_written_out_again_has_the_same_length(given: dict[str, Any], plain: bool) -> None:
    body = json.dumps({"args": given}, ensure_ascii=plain).encode("utf-8", "replace")
    before, after = json.loads(body), json.loads(redact(body))
    assert len(written(after)) == len(written(before))


@given(st.floats(allow_nan=False))
def test_fractions_keep_the_length_of_their_shortest_form(number: float) -> None:
    body = json.dumps({"args": {"n": number}}).encode()
    assert len(written(json.loads(redact(body)))) == len(written(json.loads(body)))
