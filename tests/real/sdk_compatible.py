"""Runs in .venv-real: Mistral's and Groq's own SDKs ask, and print as JSON what they understood.

`sdk_compatible.py SDK CASE BASE_URL`; whatever the SDK raises is part of the answer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import groq
from mistralai.client import Mistral, errors

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def main() -> None:
    sdk, case, base_url = sys.argv[1:]
    try:
        found = CASES[sdk][case](base_url)
    except errors.MistralError as error:
        found = told(error, error.status_code, error.headers)
    except groq.APIStatusError as error:
        found = told(error, error.status_code, error.response.headers)
    except groq.APIError as error:
        found = {"raised": type(error).__name__, "message": error.message}
    print(json.dumps(found))


def told(error: Exception, status: int, headers: Any) -> dict[str, Any]:
    raised = {"raised": type(error).__name__, "status": status, "message": str(error)}
    return {**raised, "retry_after": headers.get("retry-after")}


def mistral(base_url: str) -> Mistral:
    return Mistral(server_url=base_url, api_key="none", timeout_ms=20_000)


def mistral_whole(base_url: str) -> Any:
    answer = mistral(base_url).chat.complete(model="sim", messages=MESSAGES)
    return json.loads(answer.model_dump_json())


def mistral_chunks(base_url: str) -> Any:
    with mistral(base_url).chat.stream(model="sim", messages=MESSAGES) as stream:
        return [json.loads(event.data.model_dump_json()) for event in stream]


def mistral_embeddings(base_url: str) -> Any:
    answer = mistral(base_url).embeddings.create(model="sim", inputs=["one", "two"])
    return json.loads(answer.model_dump_json())


def client(base_url: str) -> groq.Groq:
    return groq.Groq(base_url=base_url, api_key="none", max_retries=0, timeout=20)


def groq_whole(base_url: str) -> Any:
    answer = client(base_url).chat.completions.create(model="sim", messages=MESSAGES)
    return answer.model_dump()


def groq_chunks(base_url: str) -> Any:
    stream = client(base_url).chat.completions.create(model="sim", messages=MESSAGES, stream=True)
    return [chunk.model_dump() for chunk in stream]


CASES: dict[str, dict[str, Callable[[str], Any]]] = {
    "mistral": {
        "whole": mistral_whole,
        "chunks": mistral_chunks,
        "embeddings": mistral_embeddings,
    },
    "groq": {"whole": groq_whole, "chunks": groq_chunks},
}

if __name__ == "__main__":
    main()
