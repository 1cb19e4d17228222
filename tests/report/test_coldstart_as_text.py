"""A cold-start experiment, printed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from test_comparison_as_text import summary

from llm_latency_lens.metrics.coldstart import SCHEMA, Coldstart
from llm_latency_lens.report import coldstart

Tree = dict[str, Any]


def arm(name: str, ttft_ms: float, **changes: Any) -> Tree:
    return {
        "name": name,
        "connection": "new",
        "idle_s": 0,
        "prefix": "none",
        "requests": {
            "planned": 8,
            "sent": 8,
            "ok": 8,
            "failed": 0,
            "cancelled": 0,
            "unsent": 0,
            "warmup": 0,
            "errors": {},
            "errors_by_stage": {},
            "error_examples": [],
        },
        "metrics": {"ttft_ms": summary(ttft_ms)},
        "tokens": {"input": 80, "output": 8, "reasoning": 0, "cached_input": 0, "source": "usage"},
        "setup_ms": None,
        "tls_resumed": 0,
        "hints_ms": {},
        "validity": {"verdict": "valid", "reasons": []},
        **changes,
    }


SET_UP = {
    "ttft_ms": summary(102.0),
    "dns_ms": summary(2.0),
    "connect_ms": summary(8.5),
    "tls_ms": summary(19.5),
}


def apart(ms: float, low: float | None, high: float | None) -> Tree:
    found = {"pairs": 8, "a": ms, "b": 1.0, "difference": ms, "ratio": ms}
    if low is None:
        return {**found, "ci_method": "none", "distinct": None}
    limits = {"difference_ci95": (low, high), "ci_method": "paired-bootstrap"}
    return {**found, **limits, "distinct": not low <= 0 <= (high or 0)}


def made(**changes: Any) -> Coldstart:
    clock = {
        "source": "kernel",
        "kernel_requests": 1,
        "user_requests": 0,
        "resolution_ns": 1,
        "offset_uncertainty_ns": 1,
    }
    run = {
        "id": "r",
        "name": "",
        "started_at": "",
        "duration_s": 2000.0,
        "tool_version": "0",
        "mode": "closed",
        "seed": 0,
        "interrupted": False,
        "stopped_early": None,
        "host": {},
        "clock": clock,
    }
    instrument = {
        "events": 60,
        "late_events": 0,
        "merged_events": 0,
        "coalesced_events": 0,
        "clock_source": "kernel",
        "clock_step_ms": 0.0,
    }
    tree: Tree = {
        "schema": SCHEMA,
        "run": run,
        "config": {"provider": "ollama", "model": "llama3"},
        "design": {
            "repeat": 8,
            "idle_s": [0, 30, 300],
            "prefix_words": 4500,
            "seed": 0,
            "confidence": 0.95,
        },
        "arms": [
            arm("warm", 99.57),
            arm("cold", 102.0, setup_ms=30.04, hints_ms={"load_ms": 20.0}, metrics=SET_UP),
            arm("resumed", 100.4, setup_ms=18.0, tls_resumed=8),
            arm("idle 30s", 101.1, setup_ms=30.0, idle_s=30),
            arm("idle 300s", 1801.2, setup_ms=30.0, idle_s=300, hints_ms={"load_ms": 1650.0}),
            arm("unique", 208.2),
            arm("repeated", 100.2, tokens={**arm("", 1)["tokens"], "cached_input": 36000}),
        ],
        "connection": {
            "cost_ms": apart(32.4, 30.36, 35.28),
            "ttft_ms": apart(2.4, -1, 4),
            "resumption_ms": apart(12.0, 11.5, 12.5),
        },
        "model": [
            {"idle_s": 30, "ttft_ms": apart(-0.9, -3.1, 2.2)},
            {"idle_s": 300, "ttft_ms": apart(1700.0, 1650.0, 1750.0)},
        ],
        "prompt_cache": {
            "unique_cached_tokens": 0,
            "repeated_cached_tokens": 4500,
            "input_tokens": 4510,
            "ttft_ms": apart(108.0, 104.5, 113.9),
        },
        "parts": [],
        "total_ms": None,
        "longest_idle_without_s": 30,
        "first_idle_with_s": 300,
        "sentence": "All is said.",
        "cost": {},
        "instrument": instrument,
        **changes,
    }
    known = {name: value for name, value in tree.items() if value is not msgspec.UNSET}
    return msgspec.convert(known, Coldstart)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    def show(found: Coldstart, columns: int = 100) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
        coldstart(found, out)
        out.flush()
        return out.buffer.getvalue().decode()

    return show


WHOLE = """\
ollama/llama3  8 requests of each kind in 33 min 20 s · idle for 30 s, 5 min · in random order, seed
               0

  p50, ms             n    set-up      TTFT         slower, 95 % ci  cached
  kept connection     8         –     99.57                               0
  new connection      8     30.04     102.0    +32.40 (30.36–35.28)       0
  session resumed     8     18.00     100.4  -12.00 (-12.50–-11.50)       0
  idle 30 s           8     30.00     101.1    -0.900 (-3.100–2.200)      0
  idle 5 min          8     30.00     1,801    +1,700 (1,650–1,750)       0
  new prefix          8         –     208.2    +108.0 (104.5–113.9)       0
  repeated prefix     8         –     100.2                           4,500

set-up        new connection: name 2 ms, TCP 8.5 ms, TLS 19.5 ms
server says   new connection: load_ms 20 ms
server says   idle 5 min: load_ms 1,650 ms
instrument    stamps by the kernel, no event merged

• All is said.
"""


def test_the_whole_page(printed: Callable[..., str]) -> None:
    lines = [line.split() for line in printed(made()).splitlines()]
    assert lines == [line.split() for line in WHOLE.splitlines()]


@pytest.mark.parametrize("columns", [70, 80, 100])
def test_it_keeps_to_the_terminals_width(printed: Callable[..., str], columns: int) -> None:
    long_name = {"provider": "openai", "model": "a-model-with-a-name-that-nobody-could-print"}
    text = printed(made(config=long_name), columns)
    assert max(map(len, text.splitlines())) <= columns
    assert ("cached" in text) == (columns >= 80)


def test_a_short_run_without_a_cache_that_was_interrupted(printed: Callable[..., str]) -> None:
    failed = {
        **arm("cold", 1)["requests"],
        "ok": 0,
        "failed": 8,
        "errors": {"network": 5, "timeout": 3},
    }
    unknown = {**arm("", 1)["tokens"], "cached_input": None}
    found = made(
        run={**msgspec.to_builtins(made().run), "name": "mine", "interrupted": True},
        design={**msgspec.to_builtins(made().design), "idle_s": [0]},
        arms=[
            arm("warm", 100, tokens=unknown),
            arm("cold", 1, metrics={}, requests=failed),
            arm("resumed", 100, tls_resumed=3),
        ],
        connection={"cost_ms": apart(3, None, None)},
        model=[],
        prompt_cache=msgspec.UNSET,
    )
    text = printed(found)
    assert text.startswith("mine  8 requests of each kind in 33 min 20 s · without idling")
    assert " interrupted\n" in text
    row = next(line for line in text.splitlines() if "new connection" in line)
    assert row.split() == ["new", "connection", "0", "–", "–", "+3.00", "–"]
    assert "failed        8 requests of new connection: network 5, timeout 3\n" in text
    assert "resumed       3 of 8 handshakes only\n" in text
