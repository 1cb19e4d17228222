"""How candidates of a comparison are written."""

from __future__ import annotations

from typing import Any

import pytest

from llm_latency_lens.cli.candidates import Wanted, candidates, named, parse
from llm_latency_lens.cli.kinds import UnfitError
from llm_latency_lens.cli.options import Target
from llm_latency_lens.cli.settings import settings_of
from llm_latency_lens.errors import UsageError

KIND = candidates(settings_of(Target))


@pytest.mark.parametrize(
    ("text", "name", "model", "base_url"),
    [
        ("gpt-4o-mini", None, "gpt-4o-mini", None),
        ("openai/gpt-4o-mini", None, "openai/gpt-4o-mini", None),
        ("quick=openai/gpt-4o-mini", "quick", "openai/gpt-4o-mini", None),
        ("llama3:8b@http://h:1/v1", None, "llama3:8b", "http://h:1/v1"),
        ("a=vllm/org/m@https://u:p@h/v1", "a", "vllm/org/m", "https://u:p@h/v1"),
        ("vertex/claude-sonnet-4@20250514", None, "vertex/claude-sonnet-4@20250514", None),
        ("x=bedrock/arn:aws:a:b:1:c/d", "x", "bedrock/arn:aws:a:b:1:c/d", None),
        ("  a=m  ", "a", "m", None),
    ],
)
def test_a_candidate_as_text(text: str, name: str | None, model: str, base_url: str | None) -> None:
    own = {"model": model} if base_url is None else {"model": model, "base_url": base_url}
    assert parse(text) == Wanted(name, own)


@pytest.mark.parametrize("text", ["", "two words", "a=", "x" * 70 + " y"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(UnfitError, match=r"is no candidate: write \[NAME=\]"):
        parse(text)


def test_a_candidate_as_a_table() -> None:
    table = {"name": "a", "provider": "vllm", "model": "m", "max-tokens": "5", "stream": False}
    (found,) = KIND.read([table])
    own = {"provider": "vllm", "model": "m", "max_tokens": 5, "stream": False}
    assert found == Wanted("a", own)


def test_several_in_a_variable_stand_on_lines_of_their_own() -> None:
    assert KIND.read("a=m\nb=n") == (parse("a=m"), parse("b=n"))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"model": "m", "max_token": 5}, "unknown setting 'max_token': did you mean max_tokens?"),
        ({"model": "m", "zzz": 5}, "has a candidate with an unknown setting 'zzz'$"),
        ({"model": "m", "max_tokens": 0}, "has a candidate whose max_tokens must be at least 1"),
        ({"name": "a"}, "has a candidate without a model"),
        ({"name": 5, "model": "m"}, "has a candidate whose name is no text"),
    ],
)
def test_tables_with_mistakes(table: dict[str, Any], words: str) -> None:
    with pytest.raises(UnfitError, match=words):
        KIND.read([table])


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["openai/a", "groq/b"], ["a", "b"]),
        (["openai/a", "groq/a"], ["openai/a", "groq/a"]),
        (["a@http://h:1/v1", "a@http://h:2/v1"], ["a@h:1", "a@h:2"]),
        (["x=a", "y=a"], ["x", "y"]),
        (["x=a", "a"], ["x", "a"]),
    ],
)
def test_names(texts: list[str], names: list[str]) -> None:
    assert list(named([parse(text) for text in texts])) == names


def test_a_provider_of_its_own_is_part_of_the_name() -> None:
    tables = [{"provider": name, "model": "m"} for name in ("vllm", "sglang")]
    assert list(named(KIND.read(tables))) == ["vllm/m", "sglang/m"]


@pytest.mark.parametrize("texts", [["a", "a"], ["x=a", "x=b"]])
def test_two_of_one_name(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="the same name: give them names"):
        named([parse(text) for text in texts])
