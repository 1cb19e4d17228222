"""Runs in .venv-real: Anthropic's own SDK asks, and prints as JSON what it understood.

`sdk_anthropic.py CASE BASE_URL`; whatever the SDK raises is part of the answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import anthropic

ASKED: Any = {"model": "sim", "max_tokens": 500, "messages": [{"role": "user", "content": "Hi"}]}
TOOLS: Any = [{"name": "take_note", "input_schema": {"type": "object", "properties": {}}}]


def main() -> None:
    case, base_url = sys.argv[1:]
    client = anthropic.Anthropic(api_key="none", base_url=base_url, max_retries=0, timeout=20)
    try:
        print(json.dumps(CASES[case](client)))
    except anthropic.APIStatusError as error:
        told = {
            "raised": type(error).__name__,
            "status": error.status_code,
            "body": error.body,
            "request_id": error.request_id,
            "retry_after": error.response.headers.get("retry-after"),
        }
        print(json.dumps(told))


def whole(client: anthropic.Anthropic) -> Any:
    """The answer in one piece."""
    return client.messages.create(**ASKED).model_dump()


def streamed(client: anthropic.Anthropic) -> Any:
    """The SDK's own accumulation of a stream, and the pieces of text it told of."""
    with client.messages.stream(**ASKED) as stream:
        pieces = list(stream.text_stream)
        return {"pieces": pieces, **stream.get_final_message().model_dump()}


def events(client: anthropic.Anthropic) -> Any:
    """Every event as it came, by the type that the SDK made of it."""
    stream = client.messages.create(**ASKED, stream=True)
    return [[type(event).__name__, event.model_dump()] for event in stream]


def tools(client: anthropic.Anthropic) -> Any:
    with client.messages.stream(**ASKED, tools=TOOLS) as stream:
        inputs = [event.partial_json for event in stream if event.type == "input_json"]
        return {"inputs": inputs, **stream.get_final_message().model_dump()}


def retried(client: anthropic.Anthropic) -> Any:
    """With the SDK's own retries."""
    return client.with_options(max_retries=2).messages.create(**ASKED).stop_reason


CASES = {
    "whole": whole,
    "streamed": streamed,
    "events": events,
    "tools": tools,
    "retried": retried,
}

if __name__ == "__main__":
    main()
