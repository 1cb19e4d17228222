"""Clients that are measured by themselves, and how they are found in what holds them."""

from __future__ import annotations

import asyncio
import importlib
import queue
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import httpx2
import pytest
import requests
from asking import BODY, HEADERS
from lens_servers import simulating

from llm_latency_lens import Record, Status, UsageError, instrument, uninstrument, watch
from llm_latency_lens.integrations.sdk import sites
from llm_latency_lens.integrations.sdk.patches import Patches, Taps


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sim")
    with simulating(folder, ttft="2ms", gap="1ms", tokens="3") as base_url:
        yield f"{base_url}/chat/completions"


def test_only_these_clients_are_watched(url: str) -> None:
    with httpx2.Client() as mine, httpx2.Client() as other, requests.Session() as session:
        with watch(mine, session, provider="vllm") as seen:
            mine.post(url, content=BODY, headers=HEADERS)
            other.post(url, content=BODY, headers=HEADERS)
            session.post(url, data=BODY, headers=HEADERS)
        mine.post(url, content=BODY, headers=HEADERS)
        assert "send" not in vars(mine)
        assert "send" not in vars(session)
    assert [record.provider for record in seen] == ["vllm", "vllm"]


def test_an_instrumented_client_tells_of_each_call(url: str) -> None:
    told: queue.SimpleQueue[Record] = queue.SimpleQueue()
    prices = [{"model": "sim", "input": "0", "output": "1000000", "source": "mine"}]
    with httpx2.Client() as client:
        assert instrument(client, on_record=told.put, prices=prices) is client
        client.post(url, content=BODY, headers=HEADERS)
        first = told.get(timeout=20)
        client.post(url, content=BODY, headers=HEADERS)
        uninstrument(client)
        second = told.get_nowait()  # what was to be told was told first
        uninstrument(client)
        client.post(url, content=BODY, headers=HEADERS)
        assert "send" not in vars(client)
    assert told.empty()
    assert [first.status, second.status] == [Status.OK] * 2
    assert (first.cost_usd, first.cost_source) == (3, "mine")
    assert (first.index, second.index) == (0, 1)


def test_a_watch_knows_what_was_said_of_a_client(url: str) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            instrument(session, provider="sglang")
            async with session.post(url, data=BODY, headers=HEADERS) as answer:
                await answer.read()
            uninstrument(session)

    with watch() as seen:
        asyncio.run(ask())
    assert [record.provider for record in seen] == ["sglang"]


def test_tasks_at_the_same_time_are_told_apart(url: str) -> None:
    async def ask() -> tuple[int, int]:
        async with httpx2.AsyncClient() as one, httpx2.AsyncClient() as two:
            with watch(one) as seen_one, watch(two, one) as seen_both:
                await asyncio.gather(
                    *(client.post(url, content=BODY, headers=HEADERS) for client in (one, two) * 3)
                )
            return len(seen_one), len(seen_both)

    assert asyncio.run(ask()) == (3, 6)


def test_a_function_that_fails_is_not_the_calls_affair(url: str) -> None:
    told: queue.SimpleQueue[None] = queue.SimpleQueue()

    def fail(_: Record) -> None:
        told.put(None)
        raise RuntimeError("mine")

    with httpx2.Client() as client:
        instrument(client, on_record=fail)
        for _ in range(2):
            assert client.post(url, content=BODY, headers=HEADERS).status_code == 200
        uninstrument(client)
    assert told.qsize() == 2


def test_scopes_come_off_in_any_order(url: str) -> None:
    with httpx2.Client() as client:
        first, second = watch(client), watch(client)
        one, two = first.__enter__(), second.__enter__()
        client.post(url, content=BODY, headers=HEADERS)
        first.__exit__(None, None, None)
        client.post(url, content=BODY, headers=HEADERS)
        second.__exit__(None, None, None)
        client.post(url, content=BODY, headers=HEADERS)
        assert "send" not in vars(client)
    assert (len(one), len(two)) == (1, 2)


class _Sdk:
    """Holds its client as SDKs do: somewhere inside."""

    def __init__(self, client: Any) -> None:
        self.wrapped = {"raw": [_Holder(client)]}
        self.itself = self


class _Holder:
    def __init__(self, client: Any) -> None:
        self.client = client


def test_a_client_is_found_inside(url: str) -> None:
    with httpx2.Client() as client, watch(_Sdk(client)) as seen:
        client.post(url, content=BODY, headers=HEADERS)
    assert len(seen) == 1


@pytest.mark.parametrize("thing", [object(), "text", _Sdk(None)])
def test_what_holds_no_client_is_said(thing: Any) -> None:
    with pytest.raises(UsageError, match="no HTTP client was found in"):
        instrument(thing)
    with pytest.raises(UsageError, match="no HTTP client"), watch(thing):
        pass


def test_an_unknown_provider_is_said() -> None:
    with httpx2.Client() as client:
        with pytest.raises(UsageError, match="no provider named 'opnai'"):
            instrument(client, provider="opnai")
        with pytest.raises(UsageError, match="no provider named 'opnai'"), watch(provider="opnai"):
            pass


def test_a_client_may_go_while_it_is_instrumented() -> None:
    instrument(httpx2.Client())
    import gc

    gc.collect()
    assert "handle_request" in vars(httpx2.HTTPTransport)


def test_a_stack_is_tapped_when_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_stack.py").write_text("class Stack:\n    def send(self): return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def tap(module: ModuleType, patches: Patches) -> None:
        patches.replace(module.Stack, "send", lambda send: lambda self: send(self) + 1)
        patches.replace(module.Stack, "none", lambda none: none)

    busy = True
    taps = Taps({"late_stack": tap, "never_there": tap}, lambda: busy)
    taps.acquire()
    taps.acquire()
    late: Any = importlib.import_module("late_stack")
    assert importlib.util.find_spec("never_there") is None
    assert late.Stack().send() == 2
    taps.release()
    assert late.Stack().send() == 2
    taps.release()
    assert late.Stack().send() == 2  # a call is still under way
    busy = False
    taps.acquire()
    taps.settle()
    assert late.Stack().send() == 2
    taps.release()
    assert late.Stack().send() == 1
    taps.settle()
    assert not [finder for finder in sys.meta_path if "Waiting" in type(finder).__name__]


def test_whoever_patched_later_keeps_it() -> None:
    class Owner:
        def send(self) -> int:
            return 1

    patches = Patches()
    patches.replace(Owner, "send", lambda send: lambda self: send(self))
    Owner.send = later = max  # type: ignore[method-assign, assignment]
    patches.undo()
    assert vars(Owner)["send"] is later


def test_a_site_is_told_from_a_folder() -> None:
    assert sites.shown(("/a/b/app.py", 3), "/a") == "b/app.py:3"
    assert sites.shown(("/x/app.py", 3), "/a") == "/x/app.py:3"
    assert sites.shown(("<stdin>", 3), "/a") == "<stdin>:3"
    assert sites.shown(None, "/a") is None
    here = sites.call_site()
    assert here is not None
    assert here[0] == __file__
