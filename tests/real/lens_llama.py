"""Runs in .venv-real, with this project's `src` on the path: SDKs ask llama.cpp, plain and
instrumented, and in turns with the tool's own transport.

`lens_llama.py same SDK ADDRESS` prints as JSON what the SDK returned both times, and the records.
`lens_llama.py turns SDK ADDRESS COUNT` prints pairs of TTFT, (the SDK's, the tool's own), each with
what the server says that it took for the prompt, 0 where it does not say.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

from lens_sdks import (
    MESSAGES,
    Sdk,
    answers,
    anthropic,
    async_anthropic,
    async_openai,
    openai,
    told,
)

from llm_latency_lens import Lens, Record, instrument, uninstrument, watch

TOKENS = 12
# Greedy, and by nothing that an earlier request left behind.
SURE: Any = {"temperature": 0, "seed": 1, "cache_prompt": False}
ASKED: Any = {"model": "sim", "messages": MESSAGES, "max_tokens": TOKENS, "extra_body": SURE}


def chat_whole(client: Any) -> Any:
    return client.chat.completions.create(**ASKED).model_dump()


def chat_stream(client: Any) -> Any:
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(**ASKED, stream=True, stream_options=options)
    return [chunk.model_dump() for chunk in stream]


async def async_chat_whole(client: Any) -> Any:
    return (await client.chat.completions.create(**ASKED)).model_dump()


async def async_chat_stream(client: Any) -> Any:
    options: Any = {"include_usage": True}
    stream = await client.chat.completions.create(**ASKED, stream=True, stream_options=options)
    return [chunk.model_dump() async for chunk in stream]


def responses(client: Any) -> Any:
    stream = client.responses.create(
        model="sim", input="Hi", stream=True, max_output_tokens=TOKENS, extra_body=SURE
    )
    return [event.model_dump() for event in stream]


def messages_whole(client: Any) -> Any:
    return client.messages.create(**ASKED).model_dump()


def messages_stream(client: Any) -> Any:
    with client.messages.stream(**ASKED) as stream:
        return [*stream.text_stream, stream.get_final_message().model_dump()]


async def async_messages_whole(client: Any) -> Any:
    return (await client.messages.create(**ASKED)).model_dump()


async def async_messages_stream(client: Any) -> Any:
    stream = await client.messages.create(**ASKED, stream=True)
    return [event.model_dump() async for event in stream]


SDKS = {
    "openai": Sdk(openai, (chat_whole, chat_stream, responses)),
    "async-openai": Sdk(async_openai, (async_chat_whole, async_chat_stream)),
    "anthropic": Sdk(anthropic, (messages_whole, messages_stream)),
    "async-anthropic": Sdk(async_anthropic, (async_messages_whole, async_messages_stream)),
}
STREAMED: dict[str, Callable[[Any], Any]] = {
    "openai": chat_stream,
    "async-openai": async_chat_stream,
    "anthropic": messages_stream,
    "async-anthropic": async_messages_stream,
}


def same(name: str, address: str) -> dict[str, Any]:
    sdk = SDKS[name]
    answers(sdk, sdk.client(address))  # what is in the server's cache from now on stays there
    plain = answers(sdk, sdk.client(address))
    client = instrument(sdk.client(address))
    with watch(client) as seen:
        watched = answers(sdk, client)
    uninstrument(client)
    return {"plain": plain, "watched": watched, "records": list(map(told, seen))}


def turns(name: str, address: str, count: str) -> list[Any]:
    """Which of the two comes first changes with each turn. The prompt is in the server's cache, so
    that little of the time is its work."""
    SURE["cache_prompt"], ASKED["max_tokens"] = True, 3
    provider = "anthropic" if "anthropic" in name else "llamacpp"
    lens = Lens(
        provider=provider,
        model="sim",
        base_url=address if provider == "anthropic" else f"{address}/v1",
        api_key="none",
        max_tokens=3,
        extra_body=SURE,
    )
    client, ask = SDKS[name].client(address), STREAMED[name]

    async def asked() -> Record:
        with watch(client) as seen:
            answer = ask(client)
            if inspect.isawaitable(answer):
                await answer
        return seen[-1]

    async def own() -> Record:
        return (await lens.aprofile("Hi")).record

    async def take_turns() -> list[Any]:
        await asked(), await own()
        pairs = []
        for number in range(int(count)):
            if number % 2:
                pairs.append((await asked(), await own()))
            else:
                mine = await own()
                pairs.append((await asked(), mine))
        return [[_times(record) for record in pair] for pair in pairs]

    return asyncio.run(take_turns())


def _times(record: Record) -> tuple[float, float]:
    assert record.ttft_ns, record
    return record.ttft_ns / 1e6, record.hints_ms.get("prompt_ms", 0.0)


def main() -> None:
    what, *rest = sys.argv[1:]
    print(json.dumps(turns(*rest) if what == "turns" else same(*rest), default=str))


if __name__ == "__main__":
    main()
