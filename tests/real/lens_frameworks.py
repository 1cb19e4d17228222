"""Runs in .venv-real, with this project's `src` on the path: frameworks ask, plain and then with
the lens' callback.

`lens_frameworks.py FRAMEWORK ADDRESS PLAIN_ADDRESS` prints as JSON what the framework returned both
times and the records. Two servers that begin alike give the same answers. `lens_frameworks.py waits
FRAMEWORK ADDRESS COUNT` prints the records of so many streams, and `lens_frameworks.py local` those
of models that are asked by no network.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from lens_sdks import told

KEY = "sk-quite-secret-0123"
MESSAGES: Any = [{"role": "user", "content": "Hi"}]


class Framework(NamedTuple):
    """`callback` is made once, `asks` get what `client` makes of it, or of None for none."""

    callback: Callable[[], Any]
    client: Callable[[str, Any], Any]
    asks: tuple[Callable[[Any], Any], ...]
    remove: Callable[[Any], object] = lambda _: None


# -- LangChain ------------------------------------------------------------------------------------


def langchain_callback() -> Any:
    from llm_latency_lens.integrations.langchain import LensHandler

    return LensHandler(metadata=("tenant",))


def langchain(address: str, callback: Any) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model="sim",
        base_url=f"{address}/v1",
        api_key=KEY,  # type: ignore[arg-type]
        callbacks=[callback] if callback else None,
        max_retries=1,
    )


NAMED: Any = {"run_name": "draft", "tags": ["prod"], "metadata": {"tenant": "acme", "user": "u"}}


def lc_stream(model: Any) -> Any:
    return [chunk.model_dump() for chunk in model.stream("Hi", NAMED)]


def lc_whole(model: Any) -> Any:
    return model.invoke("Hi", NAMED).model_dump()


async def lc_async_stream(model: Any) -> Any:
    return [chunk.model_dump() async for chunk in model.astream("Hi", NAMED)]


async def lc_async_whole(model: Any) -> Any:
    return (await model.ainvoke("Hi", NAMED)).model_dump()


def lc_batch(model: Any) -> Any:
    """In threads, so that which gets which answer is chance."""
    return len(model.batch(["one", "two"], NAMED))


# -- LiteLLM --------------------------------------------------------------------------------------


def litellm_callback() -> Any:
    import litellm

    from llm_latency_lens.integrations.litellm import LensLogger

    made = LensLogger(metadata=("tenant",))
    litellm.callbacks = [made]
    return made


def litellm(address: str, _: Any) -> Any:
    import litellm

    litellm.suppress_debug_info = True  # it goes to standard output
    return {
        "model": "openai/sim",
        "api_base": f"{address}/v1",
        "api_key": KEY,
        "messages": MESSAGES,
        "max_retries": 1,
        "metadata": {"tags": ["prod"], "tenant": "acme"},
    }


def ll_stream(asked: Any) -> Any:
    import litellm

    return [chunk.model_dump() for chunk in litellm.completion(**asked, stream=True)]


def ll_whole(asked: Any) -> Any:
    import litellm

    return litellm.completion(**asked).model_dump()


async def ll_async_stream(asked: Any) -> Any:
    import litellm

    stream: Any = await litellm.acompletion(**asked, stream=True)
    return [chunk.model_dump() async for chunk in stream]


async def ll_async_whole(asked: Any) -> Any:
    import litellm

    return (await litellm.acompletion(**asked)).model_dump()


async def ll_router(asked: Any) -> Any:
    """By an alias, with prices of the user's own."""
    import litellm

    given = {key: asked[key] for key in ("model", "api_base", "api_key", "max_retries")}
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}
    router = litellm.Router([{"model_name": "fast", "litellm_params": {**given, **prices}}])
    answer = await router.acompletion("fast", messages=MESSAGES)  # type: ignore[arg-type]
    await asyncio.sleep(0.3)  # LiteLLM tells of a success in a task of its own
    return answer.model_dump()


def litellm_remove(callback: Any) -> None:
    import litellm

    time.sleep(0.3)  # and in threads
    callback.close()
    lists = ("callbacks", "input_callback", "success_callback", "_async_success_callback")
    assert not any(callback in getattr(litellm, name) for name in lists)


# -- LlamaIndex -----------------------------------------------------------------------------------


def llamaindex_callback() -> Any:
    from llama_index.core.instrumentation import get_dispatcher

    from llm_latency_lens.integrations.llamaindex import LensEventHandler

    made = LensEventHandler(tags=("step",))
    get_dispatcher().add_event_handler(made)
    return made


def llamaindex(address: str, _: Any) -> Any:
    from llama_index.llms.openai import OpenAI

    return OpenAI(model="gpt-4o-mini", api_base=f"{address}/v1", api_key=KEY, max_retries=1)


def llamaindex_remove(callback: Any) -> None:
    from llama_index.core.instrumentation import get_dispatcher

    get_dispatcher().event_handlers.remove(callback)
    callback.close()


def _li_messages() -> Any:
    from llama_index.core.llms import ChatMessage

    return [ChatMessage(role="user", content="Hi")]


def _li_tags() -> Any:
    from llama_index.core.instrumentation.dispatcher import instrument_tags

    return instrument_tags({"step": "draft"})


def li_stream(model: Any) -> Any:
    with _li_tags():
        return [one.model_dump(exclude={"logprobs"}) for one in model.stream_chat(_li_messages())]


def li_whole(model: Any) -> Any:
    with _li_tags():
        return model.chat(_li_messages()).model_dump()


def li_complete(model: Any) -> Any:
    with _li_tags():
        return model.complete("Hi").model_dump()


async def li_async_stream(model: Any) -> Any:
    with _li_tags():
        stream = await model.astream_chat(_li_messages())
        return [one.model_dump(exclude={"logprobs"}) async for one in stream]


async def li_async_whole(model: Any) -> Any:
    with _li_tags():
        return (await model.achat(_li_messages())).model_dump()


FRAMEWORKS = {
    "langchain": Framework(
        langchain_callback,
        langchain,
        (lc_stream, lc_whole, lc_async_stream, lc_async_whole, lc_batch),
        lambda callback: callback.close(),
    ),
    "litellm": Framework(
        litellm_callback,
        litellm,
        (ll_stream, ll_whole, ll_async_stream, ll_async_whole, ll_router),
        litellm_remove,
    ),
    "llamaindex": Framework(
        llamaindex_callback,
        llamaindex,
        (li_stream, li_whole, li_async_stream, li_async_whole, li_complete),
        llamaindex_remove,
    ),
}


def answers(asks: tuple[Callable[[Any], Any], ...], client: Any) -> list[Any]:
    """What all of it comes to, in one event loop; what is raised is an answer."""

    async def ask() -> list[Any]:
        found = []
        for one in asks:
            try:
                answer = one(client)
                found.append(await answer if inspect.isawaitable(answer) else answer)
            except Exception as error:  # noqa: BLE001  (of whatever type it is)
                found.append(type(error).__name__)
        return found

    return asyncio.run(ask())


def seen(callback: Any) -> list[dict[str, Any]]:
    return [
        {
            **told(record),
            "cost": str(record.cost_usd),
            "cost_source": record.cost_source,
            "first_token_unix_ns": (record.start_unix_ns or 0) + (record.ttft_ns or 0),
        }
        for record in callback.seen
    ]


def compare(name: str, address: str, plain_address: str) -> dict[str, Any]:
    framework = FRAMEWORKS[name]
    plain = answers(framework.asks, framework.client(plain_address, None))
    callback = framework.callback()
    watched = answers(framework.asks, framework.client(address, callback))
    framework.remove(callback)
    before = len(callback.seen)
    answers(framework.asks[:1], framework.client(address, callback))
    assert len(callback.seen) == before, "it was closed"
    return {
        "plain": plain,
        "watched": watched,
        "records": seen(callback),
        "untied": callback.untied,
    }


def waits(name: str, address: str, count: str) -> list[dict[str, Any]]:
    framework = FRAMEWORKS[name]
    callback = framework.callback()
    client = framework.client(address, callback)
    answers(framework.asks[:1] * int(count), client)
    framework.remove(callback)
    return seen(callback)


def wait_for(callback: Any, count: int) -> None:
    """Until the callback has been told of so many calls."""
    deadline = time.monotonic() + 20
    while len(callback.seen) < count and time.monotonic() < deadline:
        time.sleep(0.02)


def local() -> dict[str, Any]:
    """Models in this process."""
    import litellm
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from llama_index.core.llms import MockLLM

    found = {}
    handler = langchain_callback()
    says = iter([AIMessage(content="hello big world"), AIMessage(content="hello")])
    model = GenericFakeChatModel(messages=says)
    list(model.stream("Hi", {**NAMED, "callbacks": [handler]}))
    asyncio.run(model.ainvoke("Hi", {**NAMED, "callbacks": [handler]}))
    found["langchain"] = handler
    logger = litellm_callback()
    list(litellm.completion("openai/sim", MESSAGES, mock_response="hello you", stream=True))
    wait_for(logger, 1)  # LiteLLM tells of what has ended in threads, in any order
    litellm.completion("openai/sim", MESSAGES, mock_response="hello you")
    wait_for(logger, 2)
    with suppress(Exception):
        litellm.completion("openai/sim", MESSAGES, mock_response="litellm.RateLimitError")
    wait_for(logger, 3)
    found["litellm"] = logger
    events = llamaindex_callback()
    list(MockLLM().stream_chat(_li_messages()))
    MockLLM().chat(_li_messages())
    found["llamaindex"] = events
    for name, callback in found.items():
        FRAMEWORKS[name].remove(callback)
    return {name: [*seen(one), one.untied] for name, one in found.items()}


def main() -> None:
    what, *rest = sys.argv[1:]
    found = (
        waits(*rest) if what == "waits" else local() if what == "local" else compare(what, *rest)
    )
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
