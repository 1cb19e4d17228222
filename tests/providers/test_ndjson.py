"""JSON lines: where an event ends, and what is taken for a stream of them."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers.ndjson import is_lines, lines
from llm_latency_lens.timeline import Timeline

ALL = "application/x-ndjson"


def ends(*places: int) -> array[int]:
    return array("Q", places)


def test_a_line_is_complete_with_its_brace() -> None:
    body = b'{"a":1}\n{"b":2}\r\n'
    each = ends(*range(1, len(body) + 1))
    assert list(lines(body, each)) == [
        (b'{"a":1}', b"", 6, True),
        (b'{"b":2}', b"", 14, True),
    ]


def test_empty_lines_and_a_mark_are_passed_over() -> None:
    body = b"\xef\xbb\xbf{}\n\n  \r\n{} \t"
    assert list(lines(body, ends(len(body)))) == [(b"{}", b"", 0, True), (b"{}", b"", 0, False)]


def test_nothing_has_no_lines() -> None:
    assert list(lines(b"", ends())) == []
    assert list(lines(b"\n\n", ends(2))) == []


@given(st.lists(st.sampled_from([b"{}", b"", b'{"a": "\xe2\x80\xa8"}', b" x"])), st.data())
def test_reads_change_nothing_but_the_place(parts: list[bytes], data: st.DataObject) -> None:
    body = b"\n".join(parts)
    cut = data.draw(st.integers(0, len(body)))
    whole = [(one, closed) for one, _, _, closed in lines(body, ends(len(body)))]
    split = list(lines(body, ends(cut, len(body))))
    assert [(one, closed) for one, _, _, closed in split] == whole
    assert [one for one, _ in whole] == [part.rstrip() for part in parts if part.strip()]
    begins = 0
    for one, _, read, _ in split:
        begins = body.index(one, begins) + len(one)
        assert read == (begins > cut)


@pytest.mark.parametrize(
    ("body", "kind", "stream"),
    [
        (b'{"a":1}\n', ALL, True),
        (b'{"a', ALL, True),
        (b'\n\xef\xbb\xbf{"a', ALL, False),
        (b'\xef\xbb\xbf {"a', ALL, True),
        (b"", ALL, False),
        (b"<html>", ALL, False),
        (b'{"a":1}\n', "", True),
        (b'{"a":1}', "", False),
        (b'{\n"a":1}\n', "text/plain", False),
        (b'{"a":1}\n', "application/json; charset=utf-8", False),
    ],
)
def test_what_is_a_stream_of_lines(body: bytes, kind: str, stream: bool) -> None:
    timeline = Timeline()
    timeline.headers = (("content-type", kind),) if kind else ()
    assert is_lines(body, timeline) is stream
