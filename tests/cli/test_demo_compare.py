"""`demo --compare`, with providers that answer at once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_shell import Shell

from llm_latency_lens.cli import world as real


@pytest.fixture
def quick(shell: Shell) -> dict[str, list[Any]]:
    """What was started and asked for."""
    seen: dict[str, list[Any]] = {"simulators": [], "lenses": []}

    @contextlib.contextmanager
    def simulator(**options: str) -> Iterator[Any]:
        seen["simulators"].append(options)
        fast = {"ttft": "3ms", "gap": "500us", "tokens": "6", "stalls": "none", "faults": ""}
        with real._simulator(**{**options, **fast}) as running:
            yield running

    def lens(**settings: Any) -> Any:
        seen["lenses"].append(settings)
        return real._lens(**settings)

    def compare(*args: Any, **settings: Any) -> Any:
        return real._compare(*args, **{**settings, "requests": 10})

    shell.world.simulator = simulator
    shell.world.lens = lens
    shell.world.compare = compare
    return seen


def test_providers_of_several_formats_are_compared_and_checked(
    shell: Shell, quick: dict[str, list[Any]]
) -> None:
    said = shell("demo", "--compare")
    assert said.code == 0, said.err
    assert "4 simulated providers that speak as openai, anthropic, gemini, ollama do" in said.err
    assert [one["provider"] for one in quick["lenses"]] == [
        "openai",
        "anthropic",
        "gemini",
        "ollama",
    ]
    assert len({options["seed"] for options in quick["simulators"]}) == 4
    assert said.out.startswith("demo  10 requests each in ")
    for name in ("quick", "thrifty", "twin", "shaky"):
        assert f"{name} says TTFT p50 " in said.out
    assert "times cheaper" in said.out
    assert "Your own      latency-lens compare " in said.out


def test_it_says_little_when_it_is_to_be_quiet(
    shell: Shell, quick: dict[str, list[Any]], tmp_path: Path
) -> None:
    file = tmp_path / "c.json"
    said = shell("demo", "--compare", "--quiet", "--output", str(file), "--name", "mine")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("mine  10 requests each")
    assert "Truth" not in said.out
    written = json.loads(file.read_text())
    assert [one["requests"]["ok"] for one in written["candidates"]] == [10] * 4
    assert written["candidates"][0]["cost"]["per_request"] > 0
