"""Azure OpenAI: its addresses, its proofs, and what it tells in headers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers import get
from llm_latency_lens.providers.azure import BASE_URL, build
from llm_latency_lens.record import Status
from llm_latency_lens.request import Operation, Prompt, Secret, Target
from llm_latency_lens.testing.conformance import Sample, capture, load_samples

ROW = get("azure")
END = "https://r.openai.azure.com"
GA = "2024-10-21"
target = partial(Target, provider="azure", model="my-gpt", base_url=END)
HI = Prompt.of("Hi")
SAMPLES = load_samples(Path(__file__).parents[1] / "conformance" / "azure.jsonl")


def body(one: Target) -> dict[str, Any]:
    sent = json.loads(build(one, HI).body)
    assert isinstance(sent, dict)
    return sent


@pytest.mark.parametrize(
    ("base", "version", "url"),
    [
        (END, None, "/openai/v1/chat/completions"),
        (f"{END}/", None, "/openai/v1/chat/completions"),
        (f"{END}/openai", None, "/openai/v1/chat/completions"),
        (f"{END}/openai/v1", None, "/openai/v1/chat/completions"),
        (f"{END}/openai/v1/", None, "/openai/v1/chat/completions"),
        (f"{END}/openai/v1/chat/completions", None, "/openai/v1/chat/completions"),
        (f"{END}/openai/v1", GA, "/openai/v1/chat/completions"),
        (f"{END}/openai/v1", "preview", "/openai/v1/chat/completions?api-version=preview"),
        (END, "preview", "/openai/v1/chat/completions?api-version=preview"),
        (
            f"{END}?api-version=preview",
            None,
            "/openai/v1/chat/completions?api-version=preview",
        ),
        (END, GA, f"/openai/deployments/my-gpt/chat/completions?api-version={GA}"),
        (f"{END}/openai", GA, f"/openai/deployments/my-gpt/chat/completions?api-version={GA}"),
        (
            f"{END}?api-version={GA}",
            "2023-05-15",
            f"/openai/deployments/my-gpt/chat/completions?api-version={GA}",
        ),
        (
            f"{END}/openai/deployments/other",
            GA,
            f"/openai/deployments/other/chat/completions?api-version={GA}",
        ),
        (
            f"{END}/openai/deployments/other/chat/completions?api-version={GA}",
            None,
            f"/openai/deployments/other/chat/completions?api-version={GA}",
        ),
        (
            f"{END}/openai/deployments/other?x=1",
            GA,
            f"/openai/deployments/other/chat/completions?x=1&api-version={GA}",
        ),
    ],
)
def test_addresses(base: str, version: str | None, url: str) -> None:
    assert build(target(base_url=base, api_version=version), HI).url == END + url


def test_a_gateway_or_a_simulator() -> None:
    assert build(target(base_url="http://h:1/v1"), HI).url == "http://h:1/v1/chat/completions"


def test_names_of_deployments_are_quoted() -> None:
    url = build(target(model="a/b c", api_version=GA), HI).url
    assert "/openai/deployments/a%2Fb%20c/chat/completions?" in url


def test_embeddings_have_the_same_addresses() -> None:
    dialect = ROW.dialect(Operation.EMBEDDINGS)
    one = target(api_version=GA, operation=Operation.EMBEDDINGS, api_key=Secret("k"))
    request = dialect.build(one, HI)
    assert request.url == f"{END}/openai/deployments/my-gpt/embeddings?api-version={GA}"
    assert dict(request.headers)["api-key"] == "k"
    assert json.loads(request.body) == {"model": "my-gpt", "input": "Hi"}
    assert dialect.build(target(), HI).url == f"{END}/openai/v1/embeddings"


@pytest.mark.parametrize(
    ("base", "says"),
    [
        (BASE_URL, "set AZURE_OPENAI_ENDPOINT"),
        (f"{END}/openai/deployments/d", "needs --api-version"),
    ],
)
def test_what_has_to_be_said(base: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        build(target(base_url=base), HI)


@pytest.mark.parametrize(
    ("version", "field", "asked"),
    [
        (None, "max_completion_tokens", True),
        ("preview", "max_completion_tokens", True),
        ("2025-04-01-preview", "max_completion_tokens", True),
        (GA, "max_completion_tokens", True),
        ("2024-09-01-preview", "max_completion_tokens", True),
        ("2024-08-01-preview", "max_tokens", False),
        ("2023-05-15", "max_tokens", False),
    ],
)
def test_older_versions_know_less(version: str | None, field: str, asked: bool) -> None:
    sent = body(target(api_version=version, max_tokens=3, temperature=0.5))
    assert sent[field] == 3
    assert ("stream_options" in sent) is asked
    assert (sent["model"], sent["temperature"], sent["stream"]) == ("my-gpt", 0.5, True)


def test_a_key_has_a_header_of_its_own() -> None:
    headers = dict(build(target(api_key=Secret("abc123")), HI).headers)
    assert headers["api-key"] == "abc123"
    assert "authorization" not in headers


def test_a_token_is_a_bearers() -> None:
    token = "eyJhbGciOi.eyJhdWQiOi.c2ln-_"
    headers = dict(build(target(api_key=Secret(token)), HI).headers)
    assert headers["authorization"] == f"Bearer {token}"
    assert "api-key" not in headers


def test_without_a_key_nothing_is_sent_that_proves_anything() -> None:
    assert dict(build(target(), HI).headers).keys() == {"content-type", "accept", "user-agent"}


def test_the_row_names_the_variables_of_the_sdk() -> None:
    assert ROW.key_env == ("AZURE_OPENAI_API_KEY",)
    assert ROW.base_url_env == ("AZURE_OPENAI_ENDPOINT",)
    assert ROW.api_version_env == ("OPENAI_API_VERSION",)
    assert ROW.auth == "entra"


def test_headers_that_are_kept() -> None:
    sample = next(sample for sample in SAMPLES if sample.name == "azure-stream")
    timeline = capture(sample, (len(sample.body),))
    timeline.headers = (
        ("apim-request-id", "a"),
        ("azureml-model-session", "d1"),
        ("x-ms-region", "East US"),
        ("x-ms-client-request-id", "c"),
        ("x-envoy-upstream-service-time", "42"),
        ("x-ratelimit-remaining-tokens", "9"),
        ("x-ms-deployment-name", "secret-name"),
        ("set-cookie", "x"),
    )
    record = ROW.decode(timeline)
    assert record.headers.keys() == {
        "apim-request-id",
        "azureml-model-session",
        "x-ms-region",
        "x-ms-client-request-id",
        "x-envoy-upstream-service-time",
        "x-ratelimit-remaining-tokens",
    }
    assert record.hints_ms == {"x-envoy-upstream-service-time": 42.0}
    assert (record.response_id, record.response_model) == ("chatcmpl-A", "gpt-4o")


@given(st.sampled_from(SAMPLES), st.data())
def test_damaged_samples_never_raise(sample: Sample, data: st.DataObject) -> None:
    damaged = bytearray(sample.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    other = Sample("s", bytes(damaged), status=sample.status, headers=sample.headers)
    record = ROW.decode(capture(other, (len(damaged),)))
    assert (record.error is None) == (record.status is Status.OK)
