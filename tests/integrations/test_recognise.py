"""Which addresses ask a model, and what they say of it."""

from __future__ import annotations

import pytest

from llm_latency_lens.integrations.sdk.recognise import Ask, asks, recognise
from llm_latency_lens.providers import get
from llm_latency_lens.request import Operation

VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-v1%3A0"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
AZURE = "https://x.openai.azure.com/openai/deployments/my-gpt/chat/completions?api-version=1"

ASKS = {
    "https://api.openai.com/v1/chat/completions": Ask("openai", "chat"),
    "http://10.0.0.7:8000/v1/chat/completions/": Ask("openai", "chat"),
    "http://10.0.0.7:8000/v1/completions": Ask("openai", "chat"),
    "https://api.openai.com/v1/responses": Ask("openai-responses", "chat"),
    "https://api.openai.com/v1/embeddings": Ask("openai", "embeddings"),
    "http://localhost:8000/v1/rerank": Ask("vllm", "rerank"),
    "https://api.groq.com/openai/v1/chat/completions": Ask("groq", "chat"),
    "https://codestral.mistral.ai/v1/fim/completions": Ask("mistral", "chat"),
    "https://api.mistral.ai/v1/chat/completions#stream": Ask("mistral", "chat"),
    "https://openrouter.ai/api/v1/chat/completions?x=1": Ask("openrouter", "chat"),
    AZURE: Ask("azure", "chat", "my-gpt"),
    "https://x.openai.azure.com/openai/v1/chat/completions": Ask("azure", "chat"),
    "https://api.anthropic.com/v1/messages": Ask("anthropic", "chat"),
    f"{GEMINI}:generateContent": Ask("gemini", "chat", "gemini-2.5-flash", False),
    f"{GEMINI}:streamGenerateContent?alt=sse": Ask("gemini", "chat", "gemini-2.5-flash", True),
    f"{GEMINI}:embedContent": Ask("gemini", "embeddings", "gemini-2.5-flash", False),
    f"{VERTEX}/google/models/gemini-3:streamGenerateContent": Ask(
        "vertex", "chat", "gemini-3", True
    ),
    f"{VERTEX}/anthropic/models/claude-5:rawPredict": Ask(
        "vertex", "chat", "anthropic/claude-5", False
    ),
    "https://aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi"
    "/chat/completions": Ask("vertex", "chat"),
    f"{BEDROCK}/converse-stream": Ask("bedrock", "chat", "us.anthropic.claude-v1:0", True),
    f"{BEDROCK}/converse": Ask("bedrock", "chat", "us.anthropic.claude-v1:0", False),
    f"{BEDROCK}/invoke-with-response-stream": Ask(
        "bedrock-invoke", "chat", "us.anthropic.claude-v1:0", True
    ),
    "https://api.cohere.com/v2/chat": Ask("cohere", "chat"),
    "https://api.cohere.com/v2/embed": Ask("cohere", "embeddings"),
    "https://api.cohere.com/v2/rerank": Ask("cohere", "rerank"),
    "http://localhost:11434/api/chat": Ask("ollama", "chat"),
    "http://localhost:11434/api/embed": Ask("ollama", "embeddings"),
    "http://localhost:8080/completion": Ask("llamacpp-native", "chat"),
}


@pytest.mark.parametrize(("url", "ask"), ASKS.items())
def test_what_an_address_asks(url: str, ask: Ask) -> None:
    assert recognise("POST", url) == ask
    assert recognise("GET", url) is None
    assert get(ask.provider).dialect(Operation(ask.operation))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1/models",
        "https://api.openai.com/v1/files",
        "https://api.anthropic.com/v1/messages/count_tokens",
        "https://api.anthropic.com/v1/messages/batches",
        "https://example.com/chat",
        "https://example.com/v1/chat/completions/7",
        "not a url",
    ],
)
def test_what_asks_no_model(url: str) -> None:
    assert recognise("POST", url) is None


def test_a_hint_counts_more_than_the_address() -> None:
    assert recognise("POST", "http://h/v1/chat/completions", "vllm") == Ask("vllm", "chat")
    assert recognise("POST", "http://h/v1/embeddings", "vllm") == Ask("vllm", "embeddings")
    assert recognise("POST", "http://h/ask", "acme") == Ask("acme", "chat")
    assert recognise("GET", "http://h/ask", "acme") is None


@pytest.mark.parametrize(
    ("url", "body", "fits"),
    [
        ("http://h/api/chat", b'{"model": "m"}', True),
        ("http://h/api/chat", '{"model": "m"}', True),
        ("http://h/api/chat", b'{"message": "m"}', False),
        ("http://h/responses", b'{"survey": 1}', False),
        ("http://h/completion", b'{"prompt": "x"}', True),
        ("http://h/completion", b'{"done": 1}', False),
        ("http://h/responses", None, True),
        ("https://api.groq.com/openai/v1/chat/completions", b"{}", True),
        (AZURE, b"{}", True),
        (f"{GEMINI}:generateContent", b"{}", True),
    ],
)
def test_a_body_must_fit(url: str, body: object, fits: bool) -> None:
    ask = recognise("POST", url)
    assert ask is not None
    assert asks(ask, url, body) is fits
