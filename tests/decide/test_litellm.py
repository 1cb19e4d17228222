"""A decision as LiteLLM's configuration: whom to ask, at which address, with whose key."""

from __future__ import annotations

import pytest
import yaml
from candidates import candidate, spread, wishes

from llm_latency_lens.decide.choosing import How, choose
from llm_latency_lens.report.litellm import litellm

OPENAI = "https://api.openai.com/v1"


def params(**origin: str) -> dict[str, str]:
    """Of the first of two candidates."""
    given = [candidate("first", spread(100)), candidate("second", spread(300))]
    other = {"provider": "openai", "model": "m", "base_url": OPENAI}
    how = How(origins={"first": origin, "second": other})
    written = yaml.safe_load(litellm(choose(given, wishes(minimise=["ttft_ms"]), how)))
    assert written["model_list"][1]["litellm_params"]["model"] == "openai/m"
    found: dict[str, str] = written["model_list"][0]["litellm_params"]
    return found


@pytest.mark.parametrize(
    ("origin", "written"),
    [
        (
            {"provider": "openai", "model": "gpt-4o", "base_url": OPENAI},
            {"model": "openai/gpt-4o", "api_key": "os.environ/OPENAI_API_KEY"},
        ),
        (
            {"provider": "vllm", "model": "org/qwen", "base_url": "http://gpu:8000/v1"},
            {
                "model": "hosted_vllm/org/qwen",
                "api_base": "http://gpu:8000/v1",
                "api_key": "none",
            },
        ),
        (
            {"provider": "sglang", "model": "q", "base_url": "http://gpu:30000/v1"},
            {"model": "openai/q", "api_base": "http://gpu:30000/v1", "api_key": "none"},
        ),
        (
            {"provider": "llamacpp-native", "model": "q", "base_url": "http://gpu:8080"},
            {"model": "openai/q", "api_base": "http://gpu:8080/v1", "api_key": "none"},
        ),
        (
            {"provider": "bedrock", "model": "a.b", "base_url": "https://x", "region": "eu-west-1"},
            {"model": "bedrock/converse/a.b", "aws_region_name": "eu-west-1"},
        ),
        (
            {"provider": "vertex", "model": "gemini", "region": "us-east1", "project": "p"},
            {"model": "vertex_ai/gemini", "vertex_location": "us-east1", "vertex_project": "p"},
        ),
        (
            {
                "provider": "azure",
                "model": "deployment",
                "base_url": "https://r.openai.azure.com",
                "api_version": "2025-01-01",
            },
            {
                "model": "azure/deployment",
                "api_base": "https://r.openai.azure.com",
                "api_version": "2025-01-01",
                "api_key": "os.environ/AZURE_OPENAI_API_KEY",
            },
        ),
        (
            {"provider": "groq", "model": "q", "base_url": "https://gateway.example/v1"},
            {
                "model": "groq/q",
                "api_base": "https://gateway.example/v1",
                "api_key": "os.environ/GROQ_API_KEY",
            },
        ),
    ],
)
def test_each_kind_of_candidate(origin: dict[str, str], written: dict[str, str]) -> None:
    assert params(**origin) == written


def test_the_sentence_stands_on_top() -> None:
    given = [candidate("a", spread(100)), candidate("b", spread(300))]
    found = choose(given, wishes(minimise=["ttft_ms"]), How())
    assert litellm(found).startswith(
        "# Take a: it ranks first in 100 % of resamples.\nmodel_list:\n"
    )
