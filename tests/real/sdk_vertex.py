"""Runs in .venv-real: the clients that Anthropic and Mistral have for Vertex AI ask.

`sdk_vertex.py anthropic|mistral whole|streamed ADDRESS`; prints text, reason and counts as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from anthropic import AnthropicVertex
from mistralai.gcp.client import MistralGCP

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def main() -> None:
    publisher, case, address = sys.argv[1:]
    ask = {"anthropic": anthropic, "mistral": mistral}[publisher]
    print(json.dumps(ask(address, streamed=case == "streamed")))


def anthropic(address: str, *, streamed: bool) -> Any:
    client = AnthropicVertex(
        region="eu",
        project_id="p",
        access_token="a-token",
        base_url=f"{address}/v1",
        max_retries=0,
        timeout=20,
    )
    asked: Any = {"model": "claude-sim", "messages": MESSAGES, "max_tokens": 99}
    if streamed:
        with client.messages.stream(**asked) as stream:
            pieces = [text for text in stream.text_stream if text]
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(**asked)
        pieces = [block.text for block in answer.content if block.type == "text"]
    return [pieces, answer.stop_reason, answer.usage.output_tokens]


def mistral(address: str, *, streamed: bool) -> Any:
    client = MistralGCP(
        project_id="p", region="eu", access_token="a-token", server_url=address, timeout_ms=20_000
    )
    asked: Any = {"model": "mistral-sim", "messages": MESSAGES, "max_tokens": 99}
    if not streamed:
        whole = client.chat.complete(**asked)
        (choice,) = whole.choices
        return [[choice.message.content], choice.finish_reason, whole.usage.completion_tokens]
    chunks = [event.data for event in client.chat.stream(**asked)]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    pieces = [choice.delta.content for choice in choices if choice.delta.content]
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    return [pieces, reasons[-1], chunks[-1].usage.completion_tokens]


if __name__ == "__main__":
    main()
