"""Runs in .venv-real: OpenAI's own SDK asks by Responses, and its client for Azure by chats.

`sdk_responses.py CASE ADDRESS`; whatever the SDK raises is part of the answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import openai

ITEMS: Any = [{"role": "user", "content": "Hi"}]
TOOLS: Any = [
    {
        "type": "function",
        "name": "take_note",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
]
OPTIONS: Any = {"max_retries": 0, "timeout": 20}


def main() -> None:
    case, address = sys.argv[1:]
    try:
        print(json.dumps(CASES[case](address)))
    except openai.APIError as error:
        response = getattr(error, "response", None)
        told = {
            "raised": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "message": error.message,
            "retry_after": response.headers.get("retry-after") if response is not None else None,
        }
        print(json.dumps(told))


def client(address: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="none", base_url=address, **OPTIONS)


def whole(address: str) -> Any:
    """The answer in one piece."""
    answer = client(address).responses.create(model="sim", input="Hi")
    return {"said": answer.output_text, **answer.model_dump(mode="json")}


def events(address: str) -> Any:
    """Every event as it came, by the type that the SDK made of it."""
    stream = client(address).responses.create(model="sim", input=ITEMS, stream=True)
    return [[type(event).__name__, event.model_dump(mode="json")] for event in stream]


def streamed(address: str) -> Any:
    """The SDK's own accumulation of a stream, which is strict about the order of events."""
    with client(address).responses.stream(model="sim", input=ITEMS, tools=TOOLS) as stream:
        seen = [event.type for event in stream]
        final = stream.get_final_response()
    return {"seen": seen, "said": final.output_text, **final.model_dump(mode="json")}


def azure(address: str) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(
        azure_endpoint=address, api_version="2024-10-21", api_key="none", **OPTIONS
    )


def azure_whole(address: str) -> Any:
    answer = azure(address).chat.completions.create(model="my-gpt", messages=ITEMS)
    return answer.model_dump(mode="json")


def azure_chunks(address: str) -> Any:
    stream = azure(address).chat.completions.create(
        model="my-gpt", messages=ITEMS, stream=True, stream_options={"include_usage": True}
    )
    return [chunk.model_dump(mode="json") for chunk in stream]


def azure_token(address: str) -> Any:
    """With a token instead of a key, by the newer address."""
    asker = openai.OpenAI(api_key="a-token", base_url=f"{address}/openai/v1/", **OPTIONS)
    answer = asker.chat.completions.create(model="my-gpt", messages=ITEMS)
    return answer.model_dump(mode="json")


CASES = {
    "whole": whole,
    "events": events,
    "streamed": streamed,
    "azure-whole": azure_whole,
    "azure-chunks": azure_chunks,
    "azure-token": azure_token,
}

if __name__ == "__main__":
    main()
