"""The SDKs and frameworks for `benchmarks.instrument`, as far as they are installed: each is asked
plain, and then as its user would have it measured.

They are where `tests/real/install.py` puts them: `.venv-real/bin/python -m benchmarks instrument`
(with PYTHONPATH=src).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Any

from llm_latency_lens import instrument, uninstrument

# LiteLLM would ask for the newest list of prices when it is loaded.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

Ask = Callable[[], None]
Measured = Callable[[], AbstractContextManager[Any]]
_MESSAGES: Any = [{"role": "user", "content": "Hi"}]
_ASKED: Any = {"model": "sim", "messages": _MESSAGES, "stream": True}


def sdks(base_url: str, calls: int) -> Iterator[tuple[str, Ask, Measured]]:
    """(name, so many calls, a block in which they are measured)."""
    where: Any = {"base_url": base_url, "api_key": "none"}
    if find_spec("openai"):
        yield from _openai(where, calls)
    if find_spec("langchain_openai"):
        yield _langchain(where, calls)
    if find_spec("litellm"):
        yield _litellm(base_url, calls)
    if find_spec("llama_index"):
        yield _llamaindex(base_url, calls)


def _openai(where: Any, calls: int) -> Iterator[tuple[str, Ask, Measured]]:
    import openai

    client, aclient = openai.OpenAI(**where), openai.AsyncOpenAI(**where)
    runner = asyncio.Runner()

    def ask() -> None:
        for _ in range(calls):
            for _ in client.chat.completions.create(**_ASKED):
                pass

    async def aask() -> None:
        for _ in range(calls):
            async for _ in await aclient.chat.completions.create(**_ASKED):
                pass

    yield "openai", ask, lambda: _instrumented(client)
    yield "openai, asyncio", lambda: runner.run(aask()), lambda: _instrumented(aclient)
    runner.run(aclient.close())
    runner.close()


@contextmanager
def _instrumented(client: Any) -> Iterator[None]:
    told: list[Any] = []
    instrument(client, on_record=told.append)
    yield
    uninstrument(client)
    assert told


def _langchain(where: Any, calls: int) -> tuple[str, Ask, Measured]:
    from langchain_openai import ChatOpenAI

    from llm_latency_lens.integrations.langchain import LensHandler

    model = ChatOpenAI(model="sim", **where)

    def ask() -> None:
        for _ in range(calls):
            for _ in model.stream("Hi"):
                pass

    @contextmanager
    def measured() -> Iterator[None]:
        handler = LensHandler()
        model.callbacks = [handler]
        yield
        model.callbacks = None
        handler.close()
        assert (len(handler.seen), handler.untied) == (calls, 0)

    return "langchain, callback", ask, measured


def _litellm(base_url: str, calls: int) -> tuple[str, Ask, Measured]:
    import litellm

    from llm_latency_lens.integrations.litellm import LensLogger

    where: Any = {"model": "openai/sim", "api_base": base_url, "api_key": "none"}

    def ask() -> None:
        for _ in range(calls):
            for _ in litellm.completion(**{**_ASKED, **where}):
                pass

    @contextmanager
    def measured() -> Iterator[None]:
        logger = LensLogger()
        litellm.callbacks = [logger]
        yield
        logger.close()
        assert len(logger.seen) == calls

    return "litellm, callback", ask, measured


def _llamaindex(base_url: str, calls: int) -> tuple[str, Ask, Measured]:
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai import OpenAI

    from llm_latency_lens.integrations.llamaindex import LensEventHandler

    model = OpenAI(model="gpt-4o-mini", api_base=base_url, api_key="none")
    messages = [ChatMessage(role="user", content="Hi")]

    def ask() -> None:
        for _ in range(calls):
            for _ in model.stream_chat(messages):
                pass

    @contextmanager
    def measured() -> Iterator[None]:
        handler = LensEventHandler()
        get_dispatcher().add_event_handler(handler)
        yield
        get_dispatcher().event_handlers.remove(handler)
        handler.close()
        assert (len(handler.seen), handler.untied) == (calls, 0)

    return "llama-index, callback", ask, measured
