"""What the proxy reads of heads and bodies, without a socket."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy_world import chunked, split

from llm_latency_lens import UsageError
from llm_latency_lens.integrations.proxy.added import Lateness
from llm_latency_lens.integrations.proxy.asking import hint_for
from llm_latency_lens.integrations.proxy.bodies import BodyError, Chunked, Sized, TillClosed
from llm_latency_lens.integrations.proxy.heads import HeadError, read_answer, read_request
from llm_latency_lens.integrations.proxy.upstream import Upstream

REQUEST = (
    b"POST /v1/chat/completions?x=1 HTTP/1.1\r\n"
    b"hOsT:  localhost:8800\r\n"
    b"User-Agent: a  b\t\r\n"
    b"X-Once: 1\r\n"
    b"X-Empty:\r\n"
    b"Connection: keep-alive, X-Mine, Content-Length\r\n"
    b"x-mine: secret\r\n"
    b"Keep-Alive: timeout=5\r\n"
    b"TE: trailers\r\n"
    b"X-Once: 2\r\n"
    b"Content-Length: 3\r\n\r\n"
)


def test_a_request_goes_on_line_by_line() -> None:
    head = read_request(REQUEST)
    assert (head.method, head.target, head.keeps, head.tunnels) == (
        "POST",
        "/v1/chat/completions?x=1",
        True,
        False,
    )
    assert head.passed_on("/a/v1", "api.example", ["More: 1"]) == (
        b"POST /a/v1 HTTP/1.1\r\nhOsT: api.example\r\nUser-Agent: a  b\t\r\n"
        b"X-Once: 1\r\nX-Empty:\r\n"
        b"X-Once: 2\r\nContent-Length: 3\r\nMore: 1\r\n\r\n"
    )
    body = head.body()
    assert (body.take(b"ab"), body.done, body.take(b"cde"), body.done) == (2, False, 1, True)


@pytest.mark.parametrize(
    ("raw", "target", "keeps", "tunnels"),
    [
        (
            b"GET http://api.example/v1/models?a=b HTTP/1.1\r\nHost: x",
            "/v1/models?a=b",
            True,
            False,
        ),
        (b"GET http://api.example HTTP/1.1\r\nHost: x", "/", True, False),
        (b"OPTIONS * HTTP/1.1\r\nHost: x", "*", True, False),
        (b"GET / HTTP/1.0", "/", False, False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close", "/", False, False),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: WebSocket", "/", True, True),
        (
            b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c",
            "/",
            True,
            False,
        ),
    ],
)
def test_what_a_request_says(raw: bytes, target: str, keeps: bool, tunnels: bool) -> None:
    head = read_request(raw + b"\r\n\r\n")
    assert (head.target, head.keeps, head.tunnels) == (target, keeps, tunnels)
    passed = head.passed_on(target, "api.example")
    assert b"Host: api.example\r\n" in passed
    assert (b"pgrade" in passed) == tunnels
    assert head.body().done


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"CONNECT api.example:443 HTTP/1.1\r\n\r\n", "no proxy for CONNECT"),
        (b"GET http://[x/ HTTP/1.1\r\n\r\n", "not HTTP/1.1|cannot be read"),
        (b"\x16\x03\x01\x02\r\n\r\n", "not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nA B: c\r\n\r\n", "not HTTP/1.1"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "not HTTP/1.1"),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "not HTTP/1.1",
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "more than one host"),
        (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "not HTTP/1.1"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nA: b", "no end"),
    ],
)
def test_what_is_no_request(raw: bytes, error: str) -> None:
    with pytest.raises(HeadError, match=error):
        read_request(raw)


def test_an_answer_goes_on_line_by_line() -> None:
    raw = (
        b"HTTP/1.1 200 Fine  by me\r\nServer: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
        b"Set-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    head = read_answer(raw)
    assert (head.status, head.keeps, head.interim) == (200, False, False)
    kept = (
        b"HTTP/1.1 200 Fine  by me\r\nServer: x\r\n"
        b"Set-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n"
    )
    assert head.passed_on(last=False) == kept + b"\r\n"
    assert head.passed_on(last=True) == kept + b"Connection: close\r\n\r\n"
    assert isinstance(head.body("POST"), Chunked)
    assert head.body("HEAD").done


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", Sized),
        (b"HTTP/1.1 304 No\r\n\r\n", Sized),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Sized),
        (b"HTTP/1.1 200 OK\r\n\r\n", TillClosed),
        (b"HTTP/1.0 200 OK\r\n\r\n", TillClosed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", TillClosed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n", Chunked),
    ],
)
def test_where_an_answer_ends(raw: bytes, kind: type) -> None:
    head = read_answer(raw)
    body = head.body("POST")
    assert isinstance(body, kind)
    assert body.done == (head.status in (204, 304))


def test_interim_answers_are_no_answers() -> None:
    assert read_answer(b"HTTP/1.1 100 Continue\r\n\r\n").interim
    assert not read_answer(b"HTTP/1.1 101 Other\r\nUpgrade: websocket\r\n\r\n").interim
    with pytest.raises(HeadError):
        read_answer(b"HTTP/2 200\r\n\r\n")


PARTS = st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n"]))


@settings(max_examples=120, deadline=None)
@given(
    PARTS,
    st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nLonger-Name: c d\r\n"]),
    st.sampled_from([b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n"]),
    st.lists(st.integers(0, 400), max_size=12),
)
def test_chunks_end_where_they_end(
    parts: list[bytes], trailer: bytes, surplus: bytes, places: list[int]
) -> None:
    whole = chunked(*parts, trailer=trailer)
    body, taken = Chunked(), b""
    for piece in split(whole + surplus, places):
        if body.done:
            break
        size = body.take(piece)
        assert body.done or size == len(piece)
        taken += piece[:size]
    assert (taken, body.done, body.closed()) == (whole, True, True)


def test_chunks_byte_by_byte() -> None:
    whole, body = chunked(b"one\r\n\r\n", b"two", trailer=b"A: b\r\n"), Chunked()
    assert [body.take(bytes([byte])) for byte in whole] == [1] * len(whole)
    assert body.done


def test_what_are_no_chunks() -> None:
    with pytest.raises(BodyError, match="not chunks"):
        Chunked().take(b"zz\r\n")
    cut = Chunked()
    cut.take(b"5\r\nab")
    assert not cut.closed()


def test_bodies_without_chunks() -> None:
    sized, endless = Sized(2), TillClosed()
    assert (sized.closed(), sized.take(b"abc"), sized.closed()) == (False, 2, True)
    assert (endless.take(b"abc"), endless.done, endless.closed(), endless.done) == (
        3,
        False,
        True,
        True,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5000, 200_000_000), min_size=1, max_size=60), st.floats(0.01, 1))
def test_lateness_keeps_its_quantiles(delays_ns: list[int], share: float) -> None:
    seen = Lateness()
    for delay_ns in delays_ns:
        seen.add(delay_ns)
    ranked = sorted(delays_ns)
    true_ns = ranked[min(len(ranked) - 1, -(-int(share * len(ranked) * 1e9) // 10**9) - 1)]
    found = seen.quantile_ms(share)
    assert found is not None
    if 0 <= true_ns < 65_000_000:
        assert true_ns <= found * 1e6 + 1 <= true_ns + 1002
    told = seen.told()
    assert told is not None
    assert (told.count, told.max) == (len(delays_ns), max(0, *delays_ns, 0) / 1e6)
    assert told.p50 <= told.p99 <= max(told.max, 0)


def test_lateness_of_nothing() -> None:
    assert (Lateness().told(), Lateness().quantile_ms(0.5)) == (None, None)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (
            "localhost:8000",
            "must begin with http:// or https:// and a host: https://localhost:8000",
        ),
        ("ftp://x", "must begin with http:// or https:// and a host$"),
        ("http://", "must begin"),
        ("http://x:99999", "--upstream: Port out of range"),
        ("https://me:sk-secret@x", "without user, password and query"),
        ("me:sk-secret@x", "must begin with http:// or https:// and a host$"),
        ("https://x/?key=sk-secret", "without user, password and query"),
        ("https://x/a b", "holds a character"),
    ],
)
def test_addresses_that_are_none(url: str, error: str) -> None:
    with pytest.raises(UsageError, match=error) as raised:
        Upstream(url)
    assert "sk-secret" not in str(raised.value)


def test_an_address_with_a_path() -> None:
    upstream = Upstream("https://api.example:444/base/")
    assert (upstream.host, upstream.origin, upstream.prefix, upstream.shown) == (
        "api.example:444",
        "https://api.example:444",
        "/base",
        "https://api.example:444/base",
    )
    assert "example" not in repr(upstream)


@pytest.mark.parametrize(
    ("path", "provider", "wanted"),
    [
        ("/v1/chat/completions", None, (True, None)),
        ("/v1/chat/completions", "vllm", (True, "vllm")),
        ("/v1/chat/completions", "acme", (True, "acme")),
        ("/v1/chat/completions", "anthropic", (True, None)),
        ("/v1/messages", "vllm", (True, None)),
        ("/v1/files", None, (False, None)),
        ("/v1/other", "acme", (True, "acme")),
    ],
)
def test_which_requests_are_calls(
    path: str, provider: str | None, wanted: tuple[bool, str | None]
) -> None:
    assert hint_for("POST", f"http://localhost:8000{path}", provider) == wanted
    assert not hint_for("GET", f"http://localhost:8000{path}", provider)[0]
