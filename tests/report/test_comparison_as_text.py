"""A comparison, printed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from llm_latency_lens.metrics.comparison import SCHEMA, Comparison
from llm_latency_lens.report import comparison

Tree = dict[str, Any]


def summary(p50: float, *, sure: bool = True) -> Tree:
    names = ("mean", "p50", "p90", "p95", "p99", "p999", "min", "max", "stddev")
    ci95 = {"p50": (p50 * 0.97, p50 * 1.03)} if sure else {}
    return {
        **dict.fromkeys(names, p50),
        "p95": p50 * 1.7,
        "p99": p50 * 2.5,
        "count": 50,
        "requests": 50,
        "ci95": ci95,
        "ci_method": "order-statistics",
    }


def candidate(name: str, ttft_ms: float, **changes: Any) -> Tree:
    counts = {"planned": 50, "sent": 50, "ok": 50, "failed": 0, "cancelled": 0, "unsent": 0}
    return {
        "name": name,
        "provider": "openai",
        "model": f"model-{name}",
        "base_url": "https://h/v1",
        "requests": {
            **counts,
            "warmup": 0,
            "errors": {},
            "errors_by_stage": {},
            "error_examples": [],
        },
        "error_rate": 0.0,
        "metrics": {
            "ttft_ms": summary(ttft_ms),
            "itl_ms": summary(20.0),
            "e2e_ms": summary(1480.0),
            "output_tokens_per_second": summary(49.7),
            "characters_per_second": summary(221.0),
        },
        "tokens": {
            "input": 600,
            "output": 3000,
            "reasoning": 0,
            "cached_input": 0,
            "source": "usage",
        },
        "characters": {"total": 13500, "tokens_per_character": 0.225},
        "cost": {"per_1000_requests": 0.41, "per_request": 0.00041},
        "validity": {"verdict": "valid", "reasons": []},
        **changes,
    }


def pair(a: str, b: str) -> Tree:
    return {"a": a, "b": b, "differences": {}, "sentence": f"{a} beside {b}."}


def made(candidates: list[Tree], **changes: Any) -> Comparison:
    names = [one["name"] for one in candidates]
    couples = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    clock = {
        "source": "kernel",
        "kernel_requests": 1,
        "user_requests": 0,
        "resolution_ns": 1,
        "offset_uncertainty_ns": 1,
    }
    tree = {
        "schema": SCHEMA,
        "run": {
            "id": "r",
            "name": "",
            "started_at": "",
            "duration_s": 80.2,
            "tool_version": "0",
            "mode": "closed",
            "seed": 4,
            "interrupted": False,
            "stopped_early": None,
            "host": {},
            "clock": clock,
        },
        "config": {},
        "design": {
            "requests": 50,
            "warmup": 0,
            "concurrency": 2,
            "prompts": 1,
            "seed": 4,
            "confidence": 0.95,
            "comparisons": len(couples),
        },
        "candidates": candidates,
        "pairs": [pair(*couple) for couple in couples],
        "notes": ["Mind this."],
        "instrument": {
            "events": 6000,
            "late_events": 0,
            "merged_events": 0,
            "coalesced_events": 0,
            "clock_source": "kernel",
            "clock_step_ms": 0.0,
        },
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        node: Any = tree
        for name in parents:
            node = node[name]
        node[last] = value
    return msgspec.convert(tree, Comparison)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    def show(found: Comparison, columns: int = 100) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
        comparison(found, out)
        out.flush()
        return out.buffer.getvalue().decode()

    return show


WHOLE = """\
2 candidates  50 requests each in 1 min 20 s · 2 at a time · in random turns, seed 4

  ms, 95 % ci         TTFT p50  TTFT p95   ITL p99   E2E p50  tokens/s   chars/s   $/1,000    failed
  quick                  201.3     342.3     50.00     1,480     49.70     221.0     $0.41         0
                       195–207                     ±44.4     48.2–51.2   214–228
  slow                   301.3     512.3     50.00     1,480     49.70     221.0     $0.41         0
                       292–310                     ±44.4     48.2–51.2   214–228

quick         openai/model-quick, 12 tokens in, 60 out, 270 characters, 4.44 characters a token
slow          openai/model-slow, 12 tokens in, 60 out, 270 characters, 4.44 characters a token
instrument    stamps by the kernel, no event merged

• quick beside slow.
• Mind this.
"""


def test_the_whole_page(printed: Callable[..., str]) -> None:
    found = made([candidate("quick", 201.34), candidate("slow", 301.34)])
    lines = [line.rstrip() for line in printed(found).splitlines()]
    expected = [line.rstrip() for line in WHOLE.splitlines()]
    assert lines[3:7:2] == expected[3:7:2]
    assert lines[:2] + lines[7:] == expected[:2] + expected[7:]
    assert lines[4].split() == ["195–207", "±44.4", "48.2–51.2", "214–228"]


@pytest.mark.parametrize("columns", [60, 72, 80, 100])
def test_it_keeps_to_the_terminals_width(printed: Callable[..., str], columns: int) -> None:
    long_name = "a-candidate-with-a-name-that-nobody-could-print"
    text = printed(made([candidate(long_name, 200), candidate("b", 300)]), columns)
    assert max(map(len, text.splitlines())) <= columns
    assert "TTFT p50" in text
    assert "failed" in text
    for title in ("ITL p99", "tokens/s", "chars/s", "$/1,000"):
        assert (title in text) or columns < 80
    assert ("E2E p50" in text) == (columns == 100)


def test_what_is_not_known_is_a_dash(printed: Callable[..., str]) -> None:
    unstreamed = candidate(
        "b",
        300,
        metrics={"e2e_ms": summary(900.0, sure=False)},
        cost={"note": "no price known for openai/m"},
        tokens={
            "input": None,
            "output": None,
            "reasoning": None,
            "cached_input": None,
            "source": "none",
        },
        characters={"total": 13500, "tokens_per_character": None},
    )
    text = printed(made([candidate("a", 200), unstreamed]))
    row = next(line for line in text.splitlines() if line.startswith("  b "))
    assert row.split() == ["b", "–", "–", "–", "900.0", "–", "–", "–", "0"]
    assert "openai/model-b, 270 characters\n" in text
    assert "• no price known for openai/m\n" in text


def test_a_cached_prompt_is_named(printed: Callable[..., str]) -> None:
    tokens = {**candidate("a", 1)["tokens"], "cached_input": 300}
    text = printed(made([candidate("a", 200, tokens=tokens), candidate("b", 300)]))
    assert "12 tokens in (50 % cached), 60 out" in text


def test_pairs_of_the_first_and_of_the_quickest_are_said(printed: Callable[..., str]) -> None:
    names = {"a": 300, "b": 200, "c": 400, "d": 500}
    text = printed(made([candidate(name, ms) for name, ms in names.items()]))
    assert [line for line in text.splitlines() if "beside" in line] == [
        "• a beside b.",
        "• a beside c.",
        "• a beside d.",
        "• b beside c.",
        "• b beside d.",
    ]


def test_one_that_never_answered_and_what_speaks_against_figures(
    printed: Callable[..., str],
) -> None:
    reason = {
        "code": "no_success",
        "severity": "invalid",
        "message": "None succeeded.",
        "advice": "See the errors.",
    }
    note = {**reason, "severity": "note", "message": "Just a note."}
    doubt = {**reason, "severity": "doubtful", "message": "Not many."}
    broken = candidate(
        "b", 1, metrics={}, validity={"verdict": "invalid", "reasons": [reason, note]}
    )
    broken["requests"] = {**broken["requests"], "ok": 0, "failed": 50}
    doubted = {"verdict": "doubtful", "reasons": [doubt]}
    others = [candidate(name, 200, validity=doubted) for name in ("a", "c")]
    text = printed(made([others[0], broken, others[1]], run__name="nightly", run__interrupted=True))
    assert text.startswith("nightly  50 requests each")
    assert "seed 4 · interrupted" in text
    assert "openai/model-b: no request succeeded" in text
    assert text.endswith(
        "▲ a, c: Not many.\n  See the errors.\n✗ b: None succeeded.\n  See the errors.\n"
    )
    assert "Just a note" not in text
