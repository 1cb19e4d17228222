"""A program that asks a model three times: for `latency-lens run -- python ask.py`."""

import os

import httpx2

URL = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8010/v1") + "/chat/completions"
HEADERS = {"authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}"}
ASKED = {
    "model": "gpt-4o-mini",
    "stream": True,
    "stream_options": {"include_usage": True},
}


def ask(question: str) -> None:
    messages = [{"role": "user", "content": question}]
    httpx2.post(URL, json={**ASKED, "messages": messages}, headers=HEADERS).raise_for_status()


for question in ("Say hello", "Say it in French", "Say goodbye"):
    ask(question)
