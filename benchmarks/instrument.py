"""What the SDK lens costs the program that it measures: CPU a call and an event, and of the call.

Each stack asks a simulator in another process for the same streams, plain and watched in turns; the
cost is the difference of the CPU times of this process, by the least of some tries. `of the call`
holds it against streams of 20 ms an event. SDKs and frameworks take part where they are installed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import aiohttp
import httpx2
import requests

from llm_latency_lens import watch
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

from .instrument_sdks import Ask, Measured, sdks

_TRIES = 7
_CALLS = 20
_EVENTS = 200
_GAP_US = 20_000
_BODY = json.dumps(
    {"model": "sim", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
).encode()
_HEADERS = {"content-type": "application/json"}


def run() -> list[dict[str, Any]]:
    config = SimConfig.from_options(ttft="1ms", gap="200us", tokens=str(_EVENTS))
    with start_simulator(config) as simulator:
        url = f"{simulator.base_url}/chat/completions"
        stacks: list[tuple[str, Ask, Measured]] = [
            (name, partial(ask, url), _watched) for name, ask in STACKS.items()
        ]
        return [_row(*one) for one in chain(stacks, sdks(simulator.base_url, _CALLS))]


@contextmanager
def _watched() -> Iterator[None]:
    with watch() as seen:
        yield
    assert len(seen) == _CALLS


def _row(name: str, ask: Ask, measured: Measured) -> dict[str, Any]:
    plain, watched = [], []
    ask()
    for _ in range(_TRIES):
        plain.append(_cpu_us(ask))
        with measured():
            watched.append(_cpu_us(ask))
    cost = (min(watched) - min(plain)) / _CALLS
    events = _EVENTS + 3  # role, usage or finish reason, [DONE]
    return {
        "stack": name,
        "plain": min(plain) / _CALLS,
        "watched": min(watched) / _CALLS,
        "cost": cost,
        "unit": "us CPU a call",
        "cost an event": cost / events,
        "watched / plain": min(watched) / min(plain),
        "of the call": f"{cost / (_EVENTS * _GAP_US):.3%}",
    }


def _cpu_us(ask: Ask) -> float:
    before = time.process_time_ns()
    ask()
    return (time.process_time_ns() - before) / 1e3


def _httpx(url: str) -> None:
    with httpx2.Client() as client:
        for _ in range(_CALLS):
            with client.stream("POST", url, content=_BODY, headers=_HEADERS) as answer:
                for _ in answer.iter_raw():
                    pass


def _async_httpx(url: str) -> None:
    async def ask() -> None:
        async with httpx2.AsyncClient() as client:
            for _ in range(_CALLS):
                async with client.stream("POST", url, content=_BODY, headers=_HEADERS) as answer:
                    async for _ in answer.aiter_raw():
                        pass

    asyncio.run(ask())


def _aiohttp(url: str) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(_CALLS):
                async with session.post(url, data=_BODY, headers=_HEADERS) as answer:
                    async for _ in answer.content.iter_any():
                        pass

    asyncio.run(ask())


def _requests(url: str) -> None:
    with requests.Session() as session:
        for _ in range(_CALLS):
            with session.post(url, data=_BODY, headers=_HEADERS, stream=True) as answer:
                for _ in answer.iter_content(None):
                    pass


STACKS: dict[str, Callable[[str], None]] = {
    "httpx": _httpx,
    "httpx, asyncio": _async_httpx,
    "aiohttp": _aiohttp,
    "requests": _requests,
}
