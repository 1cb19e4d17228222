from __future__ import annotations

from array import array
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.providers import sse
from llm_latency_lens.providers.sse import events, looks_like_events


def read(*reads: bytes) -> list[tuple[bytes, bytes, int, bool]]:
    ends = array("Q")
    for one in reads:
        ends.append((ends[-1] if ends else 0) + len(one))
    return list(events(b"".join(reads), ends))


def test_event_belongs_to_the_read_that_delivered_the_end_of_its_data_line() -> None:
    assert read(b"data: a", b"\n", b"\n", b"data: b\n\n") == [
        (b"a", b"", 0, True),
        (b"b", b"", 3, True),
    ]
    assert read(b"data: a\n", b"id: 1\n\n") == [(b"a", b"", 0, True)]
    assert read(b"data: {", b"\r\ndata: }\r", b"\n\r\n") == [(b"{\n}", b"", 1, True)]


def test_empty_reads_are_stepped_over() -> None:
    assert read(b"", b"data: a", b"", b"\n\n") == [(b"a", b"", 1, True)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_line_ends(end: bytes) -> None:
    body = end.join((b"data: a", b"", b"event:x", b"data:b", b"data", b"", b": c", b"data: d", b""))
    assert [event[:2] for event in read(body)] == [(b"a", b""), (b"b\n", b"x"), (b"d", b"")]


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_nothing_else_ends_a_line(text: str) -> None:
    whole = f"a{text}b".encode()
    assert read(b"data: " + whole + b"\n\n") == [(whole, b"", 0, True)]
    assert read(b": x\ndata: " + whole + b"\r\n\n") == [(whole, b"", 0, True)]


def test_only_one_space_is_taken_off() -> None:
    assert read(b"data:  a\n\n", b"data:\tb\n\n") == [(b" a", b"", 0, True), (b"\tb", b"", 1, True)]


def test_byte_order_mark_counts_only_at_the_start() -> None:
    mark = b"\xef\xbb\xbf"
    assert read(mark + b"data: a\n\n" + mark + b"data: b\n\n") == [(b"a", b"", 0, True)]


def test_body_may_end_anywhere() -> None:
    assert read(b"data: a") == [(b"a", b"", 0, False)]
    assert read(b"data: a\n") == [(b"a", b"", 0, True)]
    assert read(b"data: a\nev") == [(b"a", b"", 0, True)]
    assert read(b"dat") == []
    assert read(b"") == []
    assert read() == []


def test_whole_documents_on_consecutive_lines_are_events_of_their_own() -> None:
    assert read(b'data: {"a":1}\n', b'data: {"b":2} \ndata: [DONE]') == [
        (b'{"a":1}', b"", 0, True),
        (b'{"b":2} ', b"", 1, True),
        (b"[DONE]", b"", 1, False),
    ]
    assert read(b'data: {"a":\ndata: {}}\n\n') == [(b'{"a":\n{}}', b"", 0, True)]


def test_error_field_is_data_of_an_event_named_error() -> None:
    assert read(b'error: {"code":500}\n\n') == [(b'{"code":500}', b"error", 0, True)]


def test_event_without_data_is_none() -> None:
    assert read(b"event: error\n\nid: 4\n\n: data: x\n\n") == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: x", True),
        (b"\xef\xbb\xbfdata: x", True),
        (b"\r\n\n: ping", True),
        (b"event: x", True),
        (b'{"data": 1}', False),
        (b"<html>", False),
        (b"database: gone", False),
        (b"", False),
    ],
)
def test_looks_like_events(body: bytes, expected: bool) -> None:
    assert looks_like_events(body) is expected


LINES = st.lists(
    st.sampled_from([b"data: {}", b"data:x", b"data", b"", b": c", b"event: e", b"id: 1", b"zz"])
)


@given(LINES, st.sampled_from([b"\n", b"\r", b"\r\n"]), st.data())
def test_reads_do_not_change_what_is_found(
    lines: list[bytes], end: bytes, data: st.DataObject
) -> None:
    body = end.join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)))))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    found = read(*pieces)
    assert [(d, n, c) for d, n, _, c in found] == [(d, n, c) for d, n, _, c in read(body)]
    assert [r for _, _, r, _ in found] == sorted(r for _, _, r, _ in found)


@settings(max_examples=150)
@given(st.lists(st.sampled_from([b"data: ", b"data:", b"\n", b"\n\n", b"\r", b"x", b" ", b":"])))
def test_the_short_way_through_a_plain_event_is_the_long_one(pieces: list[bytes]):
    body = b"".join(pieces)
    ends = array("Q", accumulate(map(len, pieces)))
    short = list(events(body, ends))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "_DATA", b"\0")
        assert list(events(body, ends)) == short
