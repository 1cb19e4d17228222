"""What a cold-start experiment says in words, and its document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from llm_latency_lens.metrics import coldstart
from llm_latency_lens.metrics.coldstart import (
    Caching,
    Connecting,
    Design,
    Idling,
    Part,
    idle_arm,
    span,
)
from llm_latency_lens.metrics.coldstart_words import sentence
from llm_latency_lens.metrics.comparison import Difference

DOCS = Path(__file__).parents[2] / "docs/reference"
DESIGN = Design(repeat=8, idle_s=[0, 30, 300], prefix_words=10, seed=0, confidence=0.95)


def apart(ms: float, distinct: bool | None = True) -> Difference:
    limits: Any = UNSET if distinct is None else (ms - 5, ms + 5)
    return Difference(
        pairs=8,
        a=ms + 100,
        b=100,
        difference=ms,
        ratio=1 + ms / 100,
        difference_ci95=limits,
        ci_method="none" if distinct is None else "paired-bootstrap",
        distinct=distinct,
    )


def part(source: Any, ms: float, share: float) -> Part:
    return Part(source=source, ms=ms, ci95=(ms - 5, ms + 5), share=share)


def said(
    parts: list[Part], model: list[Difference | None], connection: Difference | None = None
) -> str:
    idled = [
        Idling(idle_s=gap, ttft_ms=found or UNSET)
        for gap, found in zip((30, 300, 5400), model, strict=False)
    ]
    cache = Caching(
        unique_cached_tokens=0, repeated_cached_tokens=9, input_tokens=9, ttft_ms=apart(1, None)
    )
    return sentence(DESIGN, parts, Connecting(cost_ms=connection or UNSET), idled, cache)


MODEL, CONNECTION = part("model", 1700, 0.94), part("connection", 90, 0.05)
CACHE = part("prompt_cache", 9.4, 0.01)
NO, YES, UNSURE = apart(1, False), apart(1700), apart(1700, None)


@pytest.mark.parametrize(
    ("parts", "model", "words"),
    [
        (
            [MODEL, CONNECTION, CACHE],
            [NO, YES],
            "A cold start costs 1,799 ms here: model load 1,700 ms (94 %), connection 90 ms (5 %),"
            " prompt cache 9.4 ms (1 %). Idling for 30 s makes no difference that can be told;"
            " after 5 min idle it is back.",
        ),
        (
            [MODEL],
            [YES, YES],
            "A cold start costs 1,700 ms here: model load 1,700 ms (94 %). After 30 s idle it is"
            " back, the shortest gap that was tried.",
        ),
        (
            [],
            [NO, NO, NO],
            "No cold start can be told from 8 requests of each kind. Idling for up to 1.5 h makes"
            " no difference that can be told.",
        ),
        (
            [CONNECTION],
            [NO, UNSURE],
            "A cold start costs 90 ms here: connection 90 ms (5 %). Idling for up to 30 s makes no"
            " difference that can be told.",
        ),
        (
            [],
            [UNSURE, UNSURE],
            "Where a cold start comes from cannot be told from 8 requests of each kind (6 or more"
            " are needed: --repeat). How long idling may last cannot be told from 8 requests of"
            " each kind (7 or more are needed: --repeat).",
        ),
        (
            [],
            [None],
            "Where a cold start comes from cannot be told from 8 requests of each kind (6 or more"
            " are needed: --repeat). How long idling may last cannot be told from 8 requests of"
            " each kind (6 or more are needed: --repeat).",
        ),
        ([CONNECTION], [], "A cold start costs 90 ms here: connection 90 ms (5 %)."),
    ],
)
def test_one_line(parts: list[Part], model: list[Difference | None], words: str) -> None:
    assert said(parts, model) == words


def test_quicker_after_idling_is_no_cold_start() -> None:
    assert said([], [apart(-50)]).endswith(
        "Idling for up to 30 s makes no difference that can be told."
    )


def test_without_a_cache_to_ask(  # the connection's answer alone is one
) -> None:
    found = sentence(DESIGN, [], Connecting(cost_ms=apart(0, False)), [], UNSET)
    assert found == "No cold start can be told from 8 requests of each kind."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "0.5 s"),
        (30, "30 s"),
        (90, "1.5 min"),
        (100, "100 s"),
        (300, "5 min"),
        (5400, "1.5 h"),
        (3660, "61 min"),
    ],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_names_of_arms() -> None:
    assert [idle_arm(gap) for gap in (0, 0.5, 30.0)] == ["cold", "idle 0.5s", "idle 30s"]


def test_the_schema_in_the_documentation_is_the_one_of_the_code() -> None:
    written = json.loads((DOCS / "coldstart.schema.json").read_text())
    assert written == coldstart.json_schema()


def test_every_field_is_explained() -> None:
    names = ("coldstart-json.md", "comparison-json.md", "result-json.md")
    pages = "".join((DOCS / name).read_text() for name in names)
    fields = {
        field
        for definition in coldstart.json_schema()["$defs"].values()
        for field in definition.get("properties", {})
    }
    assert [field for field in sorted(fields) if f"`{field}`" not in pages] == []
