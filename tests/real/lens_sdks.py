"""Runs in .venv-real, with this project's `src` on the path: SDKs ask, plain and then watched.

`lens_sdks.py SDK ADDRESS PLAIN_ADDRESS` prints as JSON what the SDK understood both times and the
records of the second. Two servers that begin alike give the same answers. `lens_sdks.py waits SDK
ADDRESS COUNT` prints how long each of some streams took to begin, `lens_sdks.py replay SDK ADDRESS`
what it returned and what it returns of the recording.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from llm_latency_lens import Record, instrument, uninstrument, watch
from llm_latency_lens.integrations.replayed import Replay, keep, read, replaying
from llm_latency_lens.integrations.sdk.watching import watching
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.providers import decode
from llm_latency_lens.store import runs

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
ASKED: Any = {"model": "sim", "messages": MESSAGES}
KEY = "sk-quite-secret-0123"


class Sdk(NamedTuple):
    """How an SDK's client is made, and what it is asked; a coroutine is awaited."""

    client: Callable[[str], Any]
    asks: tuple[Callable[[Any], Any], ...]


def openai(address: str) -> Any:
    import openai

    return openai.OpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=2, timeout=20)


def async_openai(address: str) -> Any:
    import openai

    return openai.AsyncOpenAI(api_key=KEY, base_url=f"{address}/v1", timeout=20)


def chat_stream(client: Any) -> Any:
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(**ASKED, stream=True, stream_options=options)
    return [chunk.model_dump() for chunk in stream]


def chat_whole(client: Any) -> Any:
    return client.chat.completions.create(**ASKED).model_dump()


def responses(client: Any) -> Any:
    stream = client.responses.create(model="sim", input="Hi", stream=True)
    return [event.model_dump() for event in stream]


def embeddings(client: Any) -> Any:
    return client.embeddings.create(model="sim", input=["one"]).model_dump()


async def async_chat_stream(client: Any) -> Any:
    options: Any = {"include_usage": True}
    stream = await client.chat.completions.create(**ASKED, stream=True, stream_options=options)
    return [chunk.model_dump() async for chunk in stream]


async def async_chat_whole(client: Any) -> Any:
    return (await client.chat.completions.create(**ASKED)).model_dump()


def anthropic(address: str) -> Any:
    import anthropic

    return anthropic.Anthropic(api_key=KEY, base_url=address, timeout=20)


def async_anthropic(address: str) -> Any:
    import anthropic

    return anthropic.AsyncAnthropic(api_key=KEY, base_url=address, timeout=20)


def messages(client: Any) -> Any:
    with client.messages.stream(**ASKED, max_tokens=500) as stream:
        return [*stream.text_stream, stream.get_final_message().model_dump()]


async def async_messages(client: Any) -> Any:
    stream = await client.messages.create(**ASKED, max_tokens=500, stream=True)
    return [event.model_dump() async for event in stream]


def groq_stream(client: Any) -> Any:
    return [chunk.model_dump() for chunk in client.chat.completions.create(**ASKED, stream=True)]


def groq(address: str) -> Any:
    import groq

    return groq.Groq(base_url=address, api_key=KEY, timeout=20)


def google(address: str) -> Any:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=address, api_version="v1beta", timeout=20_000)
    return genai.Client(api_key=KEY, http_options=options)


def generate(client: Any) -> Any:
    stream = client.models.generate_content_stream(model="gemini-sim", contents="Hi")
    return [chunk.model_dump(mode="json", exclude={"sdk_http_response"}) for chunk in stream]


async def async_generate(client: Any) -> Any:
    stream = await client.aio.models.generate_content_stream(model="gemini-sim", contents="Hi")
    found = [chunk.model_dump(mode="json", exclude={"sdk_http_response"}) async for chunk in stream]
    await client.aio.aclose()
    return found


def cohere(address: str) -> Any:
    import cohere

    return cohere.ClientV2(api_key=KEY, base_url=address, timeout=20)


def async_cohere(address: str) -> Any:
    import cohere

    return cohere.AsyncClientV2(api_key=KEY, base_url=address, timeout=20)


def cohere_stream(client: Any) -> Any:
    return [json.loads(event.model_dump_json()) for event in client.chat_stream(**ASKED)]


async def async_cohere_stream(client: Any) -> Any:
    return [json.loads(event.model_dump_json()) async for event in client.chat_stream(**ASKED)]


def mistral(address: str) -> Any:
    from mistralai.client import Mistral

    return Mistral(server_url=address, api_key=KEY, timeout_ms=20_000)


def mistral_stream(client: Any) -> Any:
    with client.chat.stream(**ASKED) as stream:
        return [json.loads(event.data.model_dump_json()) for event in stream]


async def async_mistral_stream(client: Any) -> Any:
    async with await client.chat.stream_async(**ASKED) as stream:
        return [json.loads(event.data.model_dump_json()) async for event in stream]


def ollama(address: str) -> Any:
    import ollama

    return ollama.Client(host=address, timeout=20)


def async_ollama(address: str) -> Any:
    import ollama

    return ollama.AsyncClient(host=address, timeout=20)


def ollama_stream(client: Any) -> Any:
    return [line.model_dump() for line in client.chat("sim", MESSAGES, stream=True)]


async def async_ollama_stream(client: Any) -> Any:
    return [line.model_dump() async for line in await client.chat("sim", MESSAGES, stream=True)]


def bedrock(address: str) -> Any:
    import boto3

    named = {
        "region_name": "eu-west-1",
        "aws_access_key_id": "AKSIM",
        "aws_secret_access_key": KEY,
    }
    return boto3.client("bedrock-runtime", endpoint_url=address, **named)


def converse(client: Any) -> Any:
    messages = [{"role": "user", "content": [{"text": "Hi"}]}]
    answer = client.converse_stream(modelId="us.amazon.nova-micro-v1:0", messages=messages)
    return list(answer["stream"])


def llama_stream(client: Any) -> Any:
    stream = client.chat.completions.create(**ASKED, stream=True, max_tokens=4)
    return [chunk.model_dump() for chunk in stream]


SDKS = {
    "llama": Sdk(openai, (llama_stream,)),
    "openai": Sdk(openai, (chat_stream, chat_whole, responses, embeddings)),
    "async-openai": Sdk(async_openai, (async_chat_stream, async_chat_whole)),
    "anthropic": Sdk(anthropic, (messages,)),
    "async-anthropic": Sdk(async_anthropic, (async_messages,)),
    "groq": Sdk(groq, (groq_stream,)),
    "google": Sdk(google, (generate, async_generate)),
    "cohere": Sdk(cohere, (cohere_stream,)),
    "async-cohere": Sdk(async_cohere, (async_cohere_stream,)),
    "mistral": Sdk(mistral, (mistral_stream, async_mistral_stream)),
    "ollama": Sdk(ollama, (ollama_stream,)),
    "async-ollama": Sdk(async_ollama, (async_ollama_stream,)),
    "bedrock": Sdk(bedrock, (converse,)),
}


def answers(sdk: Sdk, client: Any) -> list[Any]:
    """What all of it comes to, in one event loop where there is one."""

    async def ask() -> list[Any]:
        found = []
        for one in sdk.asks:
            answer = one(client)
            found.append(await answer if inspect.isawaitable(answer) else answer)
        return found

    return asyncio.run(ask())


def told(record: Record) -> dict[str, Any]:
    """What the test asks of a record."""
    return {
        "provider": record.provider,
        "model": record.model,
        "operation": record.operation,
        "status": record.status,
        "error": record.error and repr(record.error),
        "events": len(record.events),
        "output": record.usage.output,
        "stream": record.stream,
        "attempt": record.attempt,
        "ttft_ms": record.ttft_ns and record.ttft_ns / 1e6,
        "e2e_ms": record.e2e_ns and record.e2e_ns / 1e6,
        "clock": record.clock_source,
        "tag": record.tag,
        "text": "".join(record.events.text),
    }


def waits(name: str, address: str, count: int) -> list[dict[str, Any]]:
    """TTFT of so many streams on one connection, and what the server says of its own time."""
    sdk = SDKS[name]
    client = sdk.client(address)
    once = Sdk(sdk.client, sdk.asks[:1] * count)
    with watch(client) as seen:
        answers(once, client)
    return [{"ttft_ms": (record.ttft_ns or 0) / 1e6, **record.hints_ms} for record in seen]


def replay(name: str, address: str) -> dict[str, Any]:
    """What the SDK returned, and what it returns of the recording where nobody listens."""
    sdk, calls = SDKS[name], list[Any]()
    with tempfile.TemporaryDirectory() as folder, watching(calls.append, (), None):
        asked = answers(sdk, sdk.client(address))
        keep(Path(folder) / "run", Context(id="one"), calls)
        left = read(runs.load(Path(folder) / "run"))
    recorded = [decode(kept.timeline) for _, kept in left]
    with replaying(Replay(left, lambda *asked: AssertionError(asked)), (), None, None) as seen:
        replayed = answers(sdk, sdk.client("http://127.0.0.1:9"))
    return {
        "asked": asked,
        "replayed": replayed,
        "recorded": list(map(told, recorded)),
        "records": list(map(told, seen)),
    }


def main() -> None:
    if sys.argv[1] == "replay":
        print(json.dumps(replay(*sys.argv[2:]), default=str))
    elif sys.argv[1] == "waits":
        _, name, address, count = sys.argv[1:]
        print(json.dumps(waits(name, address, int(count))))
    else:
        compare(*sys.argv[1:])


def compare(name: str, address: str, plain_address: str) -> None:
    sdk = SDKS[name]
    plain = answers(sdk, sdk.client(plain_address))
    client = sdk.client(address)
    assert instrument(client) is client
    with watch(client) as seen:
        watched = answers(sdk, client)
    uninstrument(client)
    found = {"plain": plain, "watched": watched, "records": list(map(told, seen))}
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
