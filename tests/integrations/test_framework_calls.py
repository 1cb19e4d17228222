"""What a framework's callbacks tell, tied to the exchanges under its calls."""

from __future__ import annotations

import asyncio
import gc
import queue
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from weakref import ref

import httpx2
import pytest
import requests
from asking import BODY, HEADERS, LIBRARIES
from lens_servers import saying, simulating

from llm_latency_lens import ErrorKind, EventKind, Record, Status, Usage, watch
from llm_latency_lens.integrations import framework_calls
from llm_latency_lens.integrations.framework_calls import (
    About,
    FrameworkCalls,
    Outcome,
    chosen,
    tag_of,
)
from llm_latency_lens.integrations.sdk.begin import claimers
from llm_latency_lens.request import Operation

TEXT = EventKind.TEXT
DONE = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sim")
    with simulating(folder, ttft="2ms", gap="1ms", tokens="3") as base_url:
        yield f"{base_url}/chat/completions"


@pytest.fixture
def calls() -> Iterator[FrameworkCalls]:
    made = FrameworkCalls(None, None)
    yield made
    made.close()


def test_an_exchange_is_the_record(calls: FrameworkCalls, url: str) -> None:
    calls.begin("a", About(tag="draft [prod]", model="alias"))
    assert calls.knows("a")
    calls.token("a", [(TEXT, "before")])
    LIBRARIES["httpx"](url)
    calls.token("a", [(TEXT, "late")])
    calls.end("a", Outcome())
    calls.end("a", Outcome(error=ValueError()))
    (record,) = calls.seen
    assert (record.status, record.tag, record.model) == (Status.OK, "draft [prod]", "sim")
    assert (len(record.events), record.usage.output) == (3, 3)
    assert calls.untied == 0
    assert not calls.knows("a")


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_exchange_without_a_tag_says_where(
    calls: FrameworkCalls, url: str, library: str
) -> None:
    calls.begin("a", About())
    LIBRARIES[library](url)
    LIBRARIES[library](url)  # the call has its answer: this is another's
    calls.end("a", Outcome())
    LIBRARIES[library](url)
    (record,) = calls.seen
    assert record.tag is not None
    assert record.tag.startswith("tests/integrations/asking.py:")


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_tried_again_is_its_own(calls: FrameworkCalls, library: str) -> None:
    busy = b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"
    with saying(busy, DONE, DONE) as base_url:
        calls.begin("a", About(tag="mine"))
        for _ in range(3):
            LIBRARIES[library](f"{base_url}/chat/completions")
        calls.end("a", Outcome())
    assert [record.tag for record in calls.seen] == ["mine", "mine"]
    assert calls.seen[0].error is not None
    assert calls.seen[0].error.http_status == 503


def test_contexts_are_told_apart(calls: FrameworkCalls, url: str) -> None:
    async def one(client: httpx2.AsyncClient, tag: str) -> None:
        calls.begin(tag, About(tag=tag))
        await client.post(url, content=BODY, headers=HEADERS)
        calls.end(tag, Outcome())

    async def ask() -> None:
        async with httpx2.AsyncClient() as client:
            await asyncio.gather(*(one(client, tag) for tag in "abcd"))
            await client.post(url, content=BODY, headers=HEADERS)

    asyncio.run(ask())
    assert sorted(record.tag or "" for record in calls.seen) == ["a", "b", "c", "d"]
    calls.begin("e", About(tag="e"))
    thread = threading.Thread(target=LIBRARIES["requests"], args=(url,))
    thread.start()
    thread.join()
    calls.end("e", Outcome())
    assert (calls.untied, calls.seen[-1].first_byte_ns) == (1, None)


def test_a_call_without_an_exchange_is_what_was_told(calls: FrameworkCalls) -> None:
    about = About("draft", "openai", "gpt-4o-mini", max_tokens=9)
    calls.begin("a", about)
    calls.token("a", [(EventKind.REASONING, "hm")])
    calls.token("a", [(TEXT, "yes"), (EventKind.TOOL, "{}")])
    used = Usage(input=1_000_000, output=2_000_000)
    calls.end("a", Outcome(usage=used, finish_reason="stop", response_id="x"))
    (record,) = calls.seen
    assert (record.status, record.tag, record.provider) == (Status.OK, "draft", "openai")
    assert (record.stream, record.clock_source, record.max_tokens) == (True, "user", 9)
    assert record.events.text == ["hm", "yes", "{}"]
    assert record.events.kind == [EventKind.REASONING, TEXT, EventKind.TOOL]
    assert record.ttft_ns is not None
    assert record.answer_ns is not None
    assert record.e2e_ns is not None
    assert 0 <= record.ttft_ns <= record.answer_ns <= record.e2e_ns
    assert (record.sent_ns, record.first_byte_ns) == (None, None)
    assert record.cost_usd == Decimal("1.35")
    assert (record.tokens_source, record.finish_reason) == ("usage", "stop")
    assert calls.untied == 1


def test_a_whole_answer_and_a_stream_of_which_the_first_token_is_known(
    calls: FrameworkCalls,
) -> None:
    whole = [(TEXT, "hello")]
    calls.begin("a", About())
    calls.end("a", Outcome(pieces=whole))
    calls.begin("b", About())
    first_ns = framework_calls.now()
    calls.end("b", Outcome(pieces=whole, first_ns=first_ns, end_ns=first_ns + 5_000))
    calls.begin("c", About(operation=Operation.EMBEDDINGS))
    calls.end("c", Outcome())
    answer, stream, embedding = calls.seen
    assert (answer.stream, answer.events.text) == (False, ["hello"])
    assert answer.first_token_ns == answer.end_ns
    assert answer.tag is not None
    assert answer.tag.startswith("tests/integrations/test_framework_calls.py:")
    assert (stream.stream, stream.events.partial, stream.events.characters) == (True, True, 5)
    assert (stream.first_token_ns, stream.end_ns) == (first_ns, first_ns + 5_000)
    assert stream.events.gaps_ns() == []
    assert (len(embedding.events), embedding.operation) == (0, "embeddings")


class APIConnectionError(Exception):
    pass


class RateLimited(Exception):  # noqa: N818
    status_code = 429


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RateLimited("your prompt was: secret"), ErrorKind.RATE_LIMIT),
        (APIConnectionError(), ErrorKind.NETWORK),
        (ConnectionResetError(), ErrorKind.NETWORK),
        (TimeoutError(), ErrorKind.TIMEOUT),
        (asyncio.CancelledError(), ErrorKind.CANCELLED),
        (GeneratorExit(), ErrorKind.CANCELLED),
        (ValueError("secret"), ErrorKind.PROTOCOL),
    ],
)
def test_what_was_raised(calls: FrameworkCalls, error: BaseException, kind: ErrorKind) -> None:
    calls.begin("a", About())
    calls.end("a", Outcome(error=error))
    (record,) = calls.seen
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (kind, "wait")
    assert record.status is (Status.CANCELLED if kind == "cancelled" else Status.FAILED)
    assert "secret" not in record.error.message


def test_what_was_raised_is_let_go(calls: FrameworkCalls) -> None:
    """A traceback holds the frames in which a connection is."""
    error = APIConnectionError()
    held = ref(error)
    calls.begin("a", About())
    calls.end("a", Outcome(error=error))
    del error
    gc.collect()
    assert held() is None
    assert calls.seen[0].status is Status.FAILED


def test_a_call_within_a_call_is_one(calls: FrameworkCalls, url: str) -> None:
    calls.begin("outer", About(tag="outer"))
    calls.begin("inner", About(tag="inner"))
    LIBRARIES["httpx"](url)
    calls.end("inner", Outcome())
    calls.end("outer", Outcome())
    calls.begin("outer", About(tag="outer"))
    calls.begin("inner", About(tag="mock"))
    for key in ("inner", "outer"):
        calls.token(key, [(TEXT, "a")])
    calls.end("inner", Outcome())
    calls.end("outer", Outcome())
    assert [record.tag for record in calls.seen] == ["inner", "mock"]


def test_calls_beside_each_other_are_two(calls: FrameworkCalls) -> None:
    """A framework that says which call is part of which is believed."""
    calls.begin("one", About(tag="one"), None)
    calls.begin("two", About(tag="two"), "no such call")
    calls.begin("in two", About(tag="in two"), "two")
    for key in ("in two", "two", "one"):
        calls.end(key, Outcome())
    assert [record.tag for record in calls.seen] == ["in two", "one"]


def test_what_is_dropped_is_no_record(calls: FrameworkCalls, url: str) -> None:
    calls.begin("a", About())
    calls.drop("a")
    calls.end("a", Outcome())
    LIBRARIES["httpx"](url)
    assert len(calls.seen) == 0


def test_calls_that_never_end_are_forgotten(
    calls: FrameworkCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(99):
        calls.begin(number, About(), None)
    assert len(framework_calls._open.get()) <= 33
    monkeypatch.setattr(framework_calls, "_MOST_OPEN", 2)
    for number in range(99):
        calls.drop(number)
    for key in "abc":
        calls.begin(key, About(tag=key), None)
    for key in "abc":
        calls.end(key, Outcome())
    assert [record.tag for record in calls.seen] == ["b", "c"]


def test_a_record_waits_for_its_cost(url: str) -> None:
    told: queue.SimpleQueue[Record] = queue.SimpleQueue()
    calls = FrameworkCalls(told.put, None, costs_later=True)
    calls.begin("a", About(tag="a"))
    LIBRARIES["httpx"](url)
    calls.end("a", Outcome(cost_usd=Decimal("0.5"), cost_source="mine"))
    record = told.get(timeout=20)
    assert (record.tag, record.cost_usd, record.cost_source) == ("a", Decimal("0.5"), "mine")
    calls.begin("b", About(tag="b", provider="openai", model="gpt-4o-mini"))
    calls.end("b", Outcome(usage=Usage(input=1, output=1), cost_usd=Decimal(9)))
    assert told.get(timeout=20).cost_usd == Decimal("7.5E-7")
    calls.begin("c", About(tag="c", provider="openai", model="gpt-4o-mini"))
    own = Outcome(usage=Usage(output=1), cost_usd=Decimal(9), cost_is_own=True)
    calls.end("c", own)
    assert told.get(timeout=20).cost_usd == Decimal(9)
    calls.begin("d", About(tag="d"))
    LIBRARIES["httpx"](url)
    calls.close()  # its end is never told
    assert told.get_nowait().tag == "d"
    calls.close()
    assert len(calls.seen) == 0


class _Teller:
    """Something to call that has no name, and fails."""

    def __init__(self) -> None:
        self.told: list[str | None] = []

    def __call__(self, record: Record) -> None:
        self.told.append(record.tag)
        raise RuntimeError("mine")


def test_a_function_that_fails_is_told_of_the_next(url: str) -> None:
    teller = _Teller()
    calls = FrameworkCalls(teller, None, costs_later=True)
    for tag in "ab":
        calls.begin(tag, About(tag=tag))
        LIBRARIES["httpx"](url)
    calls.begin("c", About(tag="c"), None)
    calls.end("c", Outcome())
    calls.close()
    assert sorted(tag or "" for tag in teller.told) == ["a", "b", "c"]


def test_no_record_waits_for_ever(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_calls, "_PATIENCE_NS", 0)
    told: queue.SimpleQueue[Record] = queue.SimpleQueue()
    calls = FrameworkCalls(told.put, None, costs_later=True)
    calls.begin("a", About(tag="a"))
    LIBRARIES["httpx"](url)
    assert told.get(timeout=20).tag == "a"
    calls.end("a", Outcome())
    calls.close()
    assert told.empty()


def test_nothing_is_left_behind(url: str) -> None:
    def state() -> list[Any]:
        return [
            vars(httpx2.HTTPTransport)["handle_request"],
            vars(requests.Session)["send"],
            list(sys.meta_path),
            len(claimers),
        ]

    before = state()
    calls = FrameworkCalls(None, None)
    assert state() != before
    calls.begin("a", About())
    calls.close()
    calls.close()
    assert state() == before
    calls.begin("b", About())
    LIBRARIES["httpx"](url)
    assert len(calls.seen) == 0
    calls = FrameworkCalls(print, None)
    calls.begin("a", About())
    calls.end("a", Outcome())
    del calls  # as a callback that was given to one call
    gc.collect()
    assert state() == before


def test_a_watch_sees_the_same(calls: FrameworkCalls, url: str) -> None:
    with watch() as seen:
        calls.begin("a", About(tag="mine"))
        LIBRARIES["httpx"](url)
        calls.end("a", Outcome())
    (watched,), (mine,) = seen, calls.seen
    assert watched.events.at_ns == mine.events.at_ns
    assert (watched.start_ns, watched.end_ns) == (mine.start_ns, mine.end_ns)
    assert mine.tag == "mine" != watched.tag


def test_tags() -> None:
    assert tag_of(None) is None
    assert (
        tag_of("draft", ["a", "b"], {"tenant": "acme", "none": None}) == "draft [a,b] tenant=acme"
    )
    assert tag_of("two\nlines\t") == "two lines"
    assert len(tag_of("x" * 999) or "") == 200
    assert chosen({"a": 1, "b": 2}, ("a", "c")) == {"a": 1}
    assert chosen(None, ("a",)) == {}
