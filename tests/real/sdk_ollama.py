"""Runs in .venv-real: Ollama's own SDK asks, and prints as JSON what it understood.

`sdk_ollama.py CASE BASE_URL`; whatever the SDK raises is part of the answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import ollama

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def main() -> None:
    case, base_url = sys.argv[1:]
    client = ollama.Client(host=base_url, timeout=20)
    try:
        print(json.dumps(CASES[case](client)))
    except ollama.ResponseError as error:
        print(json.dumps({"raised": error.error, "status": error.status_code}))


def whole(client: ollama.Client) -> Any:
    return client.chat("sim", MESSAGES).model_dump()


def lines(client: ollama.Client) -> Any:
    """Every line as it came."""
    return [one.model_dump() for one in client.chat("sim", MESSAGES, stream=True)]


def begun(client: ollama.Client) -> Any:
    """How many lines came before the SDK raised."""
    count = 0
    try:
        for _ in client.chat("sim", MESSAGES, stream=True):
            count += 1
    except ollama.ResponseError as error:
        return {"lines": count, "raised": error.error}
    return {"lines": count}


def limited(client: ollama.Client) -> Any:
    return client.chat("sim", MESSAGES, options={"num_predict": 3}).model_dump()


def embed(client: ollama.Client) -> Any:
    answer = client.embed("sim", ["a", "b"])
    return {**answer.model_dump(), "embeddings": [len(one) for one in answer.embeddings]}


CASES = {"whole": whole, "lines": lines, "begun": begun, "limited": limited, "embed": embed}

if __name__ == "__main__":
    main()
