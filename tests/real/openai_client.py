"""Runs in .venv-real: OpenAI's own SDK asks, and prints as JSON what it understood.

`openai_client.py CASE BASE_URL`; whatever the SDK raises is part of the answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import openai

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}},
    }
]


def main() -> None:
    case, base_url = sys.argv[1:]
    client = openai.OpenAI(api_key="none", base_url=base_url, max_retries=0, timeout=20)
    try:
        print(json.dumps(CASES[case](client)))
    except openai.APIError as error:
        told = {
            "raised": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "message": error.message,
            "code": error.code,
            "retry_after": _retry_after(error),
        }
        print(json.dumps(told))


def whole(client: openai.OpenAI) -> dict[str, Any]:
    """The answer in one piece."""
    answer = client.chat.completions.create(model="sim", messages=MESSAGES)
    return answer.model_dump()


def streamed(client: openai.OpenAI) -> dict[str, Any]:
    """The SDK's own accumulation of a stream."""
    options: Any = {"include_usage": True}
    with client.chat.completions.stream(
        model="sim", messages=MESSAGES, stream_options=options
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    return {"deltas": deltas, **final.model_dump()}


def chunks(client: openai.OpenAI) -> dict[str, Any]:
    """Every chunk as it came."""
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(
        model="sim", messages=MESSAGES, stream=True, stream_options=options
    )
    return {"chunks": [chunk.model_dump() for chunk in stream]}


def tools(client: openai.OpenAI) -> dict[str, Any]:
    with client.chat.completions.stream(model="sim", messages=MESSAGES, tools=TOOLS) as stream:
        stream.until_done()
        return stream.get_final_completion().model_dump()


def models(client: openai.OpenAI) -> dict[str, Any]:
    return {"models": [model.id for model in client.models.list()]}


def embeddings(client: openai.OpenAI) -> dict[str, Any]:
    """Vectors as the SDK asks for them by itself, which is base64, and as numbers."""
    coded = client.embeddings.create(model="sim", input=["one", "two"], dimensions=8)
    listed = client.embeddings.create(
        model="sim", input=["one", "two"], dimensions=8, encoding_format="float"
    )
    return {"coded": coded.model_dump(), "listed": listed.model_dump()}


def _retry_after(error: openai.APIError) -> str | None:
    response = getattr(error, "response", None)
    return None if response is None else response.headers.get("retry-after")


CASES = {
    "whole": whole,
    "streamed": streamed,
    "chunks": chunks,
    "tools": tools,
    "models": models,
    "embeddings": embeddings,
}

if __name__ == "__main__":
    main()
