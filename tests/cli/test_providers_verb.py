"""`latency-lens providers`, and `providers check` against a simulated provider."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_shell import Shell

from llm_latency_lens import providers
from llm_latency_lens.cli.app import run
from llm_latency_lens.errors import UsageError
from llm_latency_lens.store import runs


@pytest.fixture
def openai(shell: Shell, simulator: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which OpenAI has a key, and is the simulator."""
    assert not shell.world.environ
    environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": simulator}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def test_the_list_names_every_provider_with_its_address_and_variables(shell: Shell) -> None:
    said = shell("providers")
    head, *rows = said.out.splitlines()
    assert head.split() == ["PROVIDER", "ADDRESS", "KEY", "REPORTS"]
    assert [row.split()[0] for row in rows] == providers.names()
    by_name = {row.split()[0]: row for row in rows}
    assert "https://api.openai.com/v1" in by_name["openai"]
    assert "OPENAI_API_KEY" in by_name["openai"]
    assert "AWS_BEARER_TOKEN_BEDROCK or AWS credentials" in by_name["bedrock"]
    assert "Google credentials" in by_name["vertex"]
    assert "or an Entra token" in by_name["azure"]
    assert by_name["tgi"].split()[2] == "none"
    assert "VLLM_API_KEY (optional)" in by_name["vllm"]


def test_the_list_as_json_says_more(shell: Shell) -> None:
    rows = {row["name"]: row for row in json.loads(shell("providers", "--json").out)}
    assert set(rows) == set(providers.PROVIDERS)
    assert rows["cohere"]["operations"] == ["chat", "embeddings", "rerank"]
    assert rows["openai"]["key_env"] == ["OPENAI_API_KEY"]
    only = json.loads(shell("providers", "--provider", "groq", "--json").out)
    assert [row["name"] for row in only] == ["groq"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_narrow_terminal_has_whole_columns(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shell.world.out = _Terminal()
    assert run(["providers"], shell.world) == 0
    lines = shell.world.out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    begins = lines[0].index("ADDRESS")
    named = [name for line in lines[1:] if (name := line[:begins].strip())]
    assert named == providers.names()
    assert "".join(line[begins : begins + 19].strip() for line in lines[1:3]) == (
        "https://api.openai.com/v1"
    )


def test_every_hosted_provider_has_a_model_to_check_with() -> None:
    lacking = [
        name
        for name, row in providers.PROVIDERS.items()
        if row.needs_key and not row.small_model and name != "azure"  # one names its own models
    ]
    assert lacking == []


def test_check_asks_each_that_has_a_key_and_keeps_nothing(
    shell: Shell, openai: dict[str, str]
) -> None:
    said = shell("providers", "check", "--provider", "openai", **openai)
    assert said.code == 0
    head, row = said.out.splitlines()
    assert head.split() == ["PROVIDER", "MODEL", "TTFT", "RESULT"]
    assert row.split()[:2] == ["openai", providers.get("openai").small_model]
    assert "ok, answered by " in row
    assert not (runs.home() / "runs").exists()


def test_check_of_all_leaves_out_what_has_no_key(shell: Shell, openai: dict[str, str]) -> None:
    said = shell("providers", "check", "--json", **openai)
    rows = {row["provider"]: row for row in json.loads(said.out)}
    assert set(rows) == {"openai", "openai-responses"}
    assert rows["openai"]["ok"]
    assert rows["openai"]["ttft_ms"] > 0
    said = shell("providers", "check", **openai)
    assert "Without a key: groq, deepseek, " in said.out


def test_check_says_why_one_does_not_answer(
    shell: Shell, refusing: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", refusing())
    said = shell("providers", "check", "--provider", "openai", "--model", "m")
    assert said.code == 3
    assert "connection refused" in said.out
    assert said.err.endswith("latency-lens: error: no good answer from openai\n")
    assert said.out.splitlines()[1].split()[:3] == ["openai", "m", "-"]


def test_check_of_what_cannot_be_asked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    said = shell("providers", "check", "--provider", "groq")
    assert (said.code, "set GROQ_API_KEY" in said.out) == (3, True)
    said = shell("providers", "check", "--provider", "vllm")
    assert (said.code, "it has no usual model" in said.out) == (3, True)


def test_check_without_any_key_is_wrong_usage(shell: Shell) -> None:
    said = shell("providers", "check")
    assert said.code == 2
    assert "no provider has a key here" in said.err
    said = shell("providers", "check", "--model", "m")
    assert (said.code, "--model needs --provider" in said.err) == (2, True)


def test_a_package_that_breaks_its_own_provider_is_named_and_left_out(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = providers.get

    def get(name: str) -> providers.Provider:
        if name == "broken":
            raise UsageError("provider 'broken' cannot be loaded: no module")
        return known(name)

    monkeypatch.setattr(providers, "get", get)
    monkeypatch.setattr(providers, "names", lambda: ["openai", "broken"])
    said = shell("providers")
    assert said.code == 0
    assert [row.split()[0] for row in said.out.splitlines()] == ["PROVIDER", "openai"]
    assert said.err == "provider 'broken' cannot be loaded: no module\n"
