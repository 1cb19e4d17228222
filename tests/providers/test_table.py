from __future__ import annotations

import re
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from llm_latency_lens import providers
from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers import PROVIDERS, Provider, compatible, decode, get, openai_chat
from llm_latency_lens.request import Prompt, Target
from llm_latency_lens.timeline import Timeline

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "wire-formats.md"
OTHER = Provider("other", "Another", "http://x", openai_chat.build, openai_chat.decode)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace what is installed; returns the groups that were asked for."""
    asked: list[str] = []
    here = __name__

    def entry_points(*, group: str) -> EntryPoints:
        asked.append(group)
        return EntryPoints(
            EntryPoint(name, value, group)
            for name, value in (
                ("other", f"{here}:OTHER"),
                ("absent", "no_such_module_at_all:X"),
                ("empty", f"{here}:NOTHING"),
                ("wrong", f"{here}:PAGE"),
            )
        )

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    get.cache_clear()
    return asked


NAMES = (
    *("openai", "openai-responses", "azure", "anthropic", "gemini", "vertex", "bedrock"),
    *("bedrock-invoke", "cohere", "mistral", "groq", "deepseek", "xai", "together", "fireworks"),
    *("openrouter", "perplexity", "cerebras", "ollama", "huggingface"),
)
"""Those that were promised; servers of one's own come on top."""
REPORTS = {"usage", "cached", "reasoning", "timings", "cost"}


def test_every_promised_name_is_there() -> None:
    assert [name for name in NAMES if name not in PROVIDERS] == []


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
def test_rows(row: Provider) -> None:
    assert PROVIDERS[row.name] is row
    assert row.base_url.startswith(("https://", "http://127.0.0.1:"))
    assert not row.base_url.endswith("/")
    assert row.base_url.startswith("https://") or not row.needs_key
    assert not row.needs_key or row.key_env or row.auth != "key"
    assert set(row.reports) <= REPORTS
    assert row.notes == row.notes.strip()
    variables = (row.key_env, row.base_url_env, row.region_env, row.project_env)
    named = tuple(variable for _, variable in row.headers_env)
    for variable in (*variables, row.api_version_env, named):
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in variable)


@pytest.mark.parametrize("row", compatible.ROWS, ids=lambda row: row.name)
def test_rows_of_one_format_ask_alike(row: Provider) -> None:
    request = row.build(Target(row.name, "m", row.base_url), Prompt.of("Hi"))
    assert request.url == f"{row.base_url}/chat/completions"
    assert request.provider == row.name


def test_each_row_is_documented_with_its_address() -> None:
    page = PAGE.read_text()
    missing = [
        row.name
        for row in PROVIDERS.values()
        if not re.search(rf"^\| `{row.name}` \|.*`{re.escape(row.base_url)}`", page, re.MULTILINE)
    ]
    assert missing == []


def test_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PROVIDERS["x"] = OTHER  # type: ignore[index]


def test_built_in_names_look_nothing_up(installed: list[str]) -> None:
    assert get("openai") is PROVIDERS["openai"]
    assert installed == []


def test_an_installed_provider_is_found_once(installed: list[str]) -> None:
    assert get("other") is OTHER
    assert get("other") is OTHER
    assert installed == [providers.ENTRY_POINTS]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("absent", "provider 'absent' cannot be loaded: No module named 'no_such_module_at_all'"),
        ("empty", "provider 'empty' cannot be loaded: .*NOTHING"),
        ("wrong", "provider 'wrong': its entry point does not lead to a Provider"),
        ("OpenAi", "no provider named 'OpenAi': did you mean openai"),
        ("vlm", r"did you mean vllm\? known are absent, anthropic, azure, .*, openrouter, other,"),
        ("qqqqq", "no provider named 'qqqqq': known are absent"),
    ],
)
def test_what_cannot_be_had(installed: list[str], name: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        get(name)


def test_decode_asks_the_provider_of_the_timeline(installed: list[str]) -> None:
    assert decode(Timeline(provider="other")).provider == "other"
    with pytest.raises(UsageError, match="no provider named 'nobody'"):
        decode(Timeline(provider="nobody"))
