"""Runs in .venv-real: Cohere's own SDK asks, and prints as JSON what it understood.

`sdk_cohere.py CASE BASE_URL`; whatever the SDK raises is part of the answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import cohere
from cohere.core.api_error import ApiError
from cohere.core.request_options import RequestOptions

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
OPTIONS: RequestOptions = {"max_retries": 0}


def main() -> None:
    case, base_url = sys.argv[1:]
    client = cohere.ClientV2(api_key="none", base_url=base_url, timeout=20)
    try:
        print(json.dumps(CASES[case](client)))
    except ApiError as error:
        told = {"raised": type(error).__name__, "status": error.status_code, "body": error.body}
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        print(json.dumps({**told, "retry_after": headers.get("retry-after")}))


def whole(client: cohere.ClientV2) -> Any:
    answer = client.chat(model="sim", messages=MESSAGES, request_options=OPTIONS)
    return json.loads(answer.model_dump_json())


def events(client: cohere.ClientV2) -> Any:
    """Every event as it came, by the type that the SDK made of it."""
    stream = client.chat_stream(model="sim", messages=MESSAGES, request_options=OPTIONS)
    return [[type(one).__name__, json.loads(one.model_dump_json())] for one in stream]


def embed(client: cohere.ClientV2) -> Any:
    answer = client.embed(
        model="sim", texts=["a", "b"], input_type="search_query", embedding_types=["float"]
    )
    return [[len(vector) for vector in answer.embeddings.float_ or []], answer.id]


def retried(client: cohere.ClientV2) -> Any:
    """With the SDK's own retries."""
    answer = client.chat(model="sim", messages=MESSAGES)
    return answer.finish_reason


CASES = {"whole": whole, "events": events, "embed": embed, "retried": retried}

if __name__ == "__main__":
    main()
