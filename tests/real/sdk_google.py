"""Runs in .venv-real: Google's own SDK asks, and prints as JSON what it understood.

`sdk_google.py gemini|vertex CASE ADDRESS`; whatever the SDK raises is part of the answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

MODEL = "gemini-sim"
ASK = "Hi"


def main() -> None:
    api, case, address = sys.argv[1:]
    try:
        print(json.dumps(CASES[case](CLIENTS[api](address))))
    except errors.APIError as error:
        told = {"status": error.code, "word": error.status, "message": error.message}
        headers = getattr(error.response, "headers", {})
        told["retry_after"] = headers.get("retry-after")
        print(json.dumps({"raised": type(error).__name__, **told}))


def gemini(address: str) -> genai.Client:
    options = types.HttpOptions(base_url=address, api_version="v1beta", timeout=20_000)
    return genai.Client(api_key="none", http_options=options)


def vertex(address: str) -> genai.Client:
    options = types.HttpOptions(base_url=address, api_version="v1", timeout=20_000)
    token = Credentials(token="a-token")
    return genai.Client(
        vertexai=True, project="p", location="eu", credentials=token, http_options=options
    )


def whole(client: genai.Client) -> Any:
    """The answer in one piece."""
    return _told(client.models.generate_content(model=MODEL, contents=ASK))


def chunks(client: genai.Client) -> Any:
    """Every chunk as it came."""
    stream = client.models.generate_content_stream(model=MODEL, contents=ASK)
    return [_told(one) for one in stream]


def embed(client: genai.Client) -> Any:
    answer = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
    return [len(one.values or ()) for one in answer.embeddings or ()]


def embed_old(client: genai.Client) -> Any:
    """By the method of Vertex AI's older models."""
    answer = client.models.embed_content(model="text-embedding-sim", contents=["a", "b"])
    return [one.statistics and one.statistics.token_count for one in answer.embeddings or ()]


def retried(client: genai.Client) -> Any:
    """With the SDK's own retries."""
    again = types.HttpRetryOptions(attempts=2, initial_delay=0.01)
    config = types.GenerateContentConfig(http_options=types.HttpOptions(retry_options=again))
    return _told(client.models.generate_content(model=MODEL, contents=ASK, config=config))


def _told(answer: types.GenerateContentResponse) -> Any:
    return json.loads(answer.model_dump_json(exclude={"sdk_http_response"}, exclude_none=True))


CLIENTS = {"gemini": gemini, "vertex": vertex}
CASES = {
    "whole": whole,
    "chunks": chunks,
    "embed": embed,
    "embed_old": embed_old,
    "retried": retried,
}

if __name__ == "__main__":
    main()
