"""HTTP's framing and codings, taken off what was captured."""

from __future__ import annotations

import gzip
import zlib
from array import array

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.integrations.sdk.coding import CodingError, decoder_of
from llm_latency_lens.integrations.sdk.framing import Answer, unframed

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\none\r\n4\r\n two\r\n0\r\n\r\n"
)
SIZED = b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\none two"


def read(raw: bytes, size: int, *, eof: bool = False) -> Answer:
    """What was read in pieces of that size."""
    ends = array("Q", [*range(size, len(raw), size), len(raw)])
    return unframed(raw, ends, eof=eof)


@given(st.integers(1, 120), st.booleans(), st.sampled_from([CHUNKED, SIZED]))
@settings(max_examples=40)
def test_any_cut_gives_the_same(size: int, eof: bool, raw: bytes) -> None:
    answer = read(raw, size, eof=eof)
    assert (answer.body, answer.whole, answer.http_version) == (b"one two", True, "1.1")
    assert answer.status == (200 if raw is CHUNKED else 404)
    assert b"".join(answer.body[begin:end] for _, begin, end in answer.reads) == answer.body
    numbers = [number for number, _, _ in answer.reads]
    assert numbers == sorted(set(numbers))
    assert answer.last == (len(raw) - 1) // size


def test_each_byte_has_its_read() -> None:
    answer = read(CHUNKED, 1)
    begin = CHUNKED.index(b"one")
    assert [number for number, _, _ in answer.reads][:3] == [begin, begin + 1, begin + 2]
    assert dict(answer.headers) == {"A": "1", "Transfer-Encoding": "chunked"}


def test_what_follows_is_not_of_this_answer() -> None:
    answer = read(SIZED + CHUNKED, 10)
    assert (answer.status, answer.body) == (404, b"one two")


def test_an_interim_answer_is_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\nB: 2\r\n\r\n"
    answer = read(interim + SIZED, 7)
    assert (answer.status, answer.body, answer.whole) == (404, b"one two", True)
    assert [name for name, _ in answer.headers] == ["Content-Length"]


@pytest.mark.parametrize(
    ("raw", "eof", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\none", True, True),
        (b"HTTP/1.1 200 OK\r\n\r\none", False, False),
        (SIZED[:-1], True, False),
        (CHUNKED[:-1], True, False),
        (b"HTTP/1.1 200", True, False),
        (b"SSH-2.0 hello\r\n", True, False),
        (b"", True, False),
    ],
)
def test_whether_it_is_whole(raw: bytes, eof: bool, whole: bool) -> None:
    assert read(raw, 5, eof=eof).whole is whole


PACKED = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
}


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_coding_is_undone(coding: str, size: int) -> None:
    text = b"one two three " * 30
    packed = PACKED[coding](text)
    decode = decoder_of(coding)
    pieces = [decode(packed[i : i + size]) for i in range(0, len(packed), size)]
    assert b"".join([*pieces, decode(None)]) == text


def test_deflate_without_its_head() -> None:
    machine = zlib.compressobj(wbits=-15)
    packed = machine.compress(b"one") + machine.flush()
    decode = decoder_of("deflate")
    assert decode(None) == b""
    assert decode(packed) + decode(None) == b"one"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "lzw"])
def test_what_cannot_be_read_is_said(coding: str) -> None:
    with pytest.raises(CodingError, match=coding):
        decoder_of(coding)(b"\x78this is nothing of the kind")


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("brotli", "brotlicffi", "compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    for coding in ("br", "zstd"):
        decode = decoder_of(coding)
        assert decode(b"") == b""
        with pytest.raises(CodingError, match=r"pip install 'llm-latency-lens\[sdk\]'"):
            decode(b"x")
