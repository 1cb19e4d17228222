"""The page of a run in a real browser: all is drawn, nothing is asked of anybody, everybody can
read it."""

from __future__ import annotations

import io
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_command import COMMAND, Command, Simulate, within_three
from real_parts import sdk_says

from llm_latency_lens.metrics.context import Context
from llm_latency_lens.metrics.portraits import Portrait, Portraits
from llm_latency_lens.metrics.summary import Summarizer
from llm_latency_lens.record import Record
from llm_latency_lens.report.html.page import html
from llm_latency_lens.testing.model import SimConfig, draw

pytestmark = pytest.mark.real

LOOKER = "page_chromium.py"
LIGHT, DARK = "rgb(246, 247, 248)", "rgb(16, 20, 24)"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
OPEN_MS = 2000
MOST_BYTES = 5_000_000


def portrait(records: Iterator[Record], context: Context) -> Portrait:
    summarizer, portraits = Summarizer(), Portraits()
    for record in records:
        summarizer.add(record)
        portraits.add(record)
    (found,) = portraits.of(summarizer.result(context), context)
    return found


def looked_at(path: Path, *readers: str) -> dict[str, Any]:
    """What these readers see; screenshots are left beside the page."""
    found: dict[str, Any] = sdk_says(LOOKER, str(path), str(path.parent), *readers, timeout_s=300)
    for name, seen in found.items():
        assert seen["drawn"] == "yes"
        assert seen["said"] == []
        assert seen["asked"] == [path.resolve().as_uri()]
        assert seen["findings"] == []
        assert seen["overflow"] <= 0
        assert seen["alerts"] == 0
        for chart in seen["charts"]:
            assert chart["marks"] > 0, chart
            assert 0.9 * chart["room"] <= chart["wide"] <= chart["room"] + 1, chart
        assert path.with_name(f"{name}.png").stat().st_size > 20_000
        first, other = (DARK, LIGHT) if name == "dark" else (LIGHT, DARK)
        assert (seen["background"], seen["other"]) == (first, other)
    return found


def test_a_run_with_failures_and_stalls(simulate: Simulate, lens: Command, tmp_path: Path) -> None:
    server = simulate(
        ttft="lognormal:60ms,0.5",
        gap="2ms",
        tokens="24",
        stalls="2%:400ms",
        faults="429=1s:10%,cut:5%",
    )
    run, path = tmp_path / "run", tmp_path / "page.html"
    ran = lens(
        *("benchmark", "sim", "Say hello.", "--base-url", server.base_url, "--quiet"),
        *("--requests", "60", "--concurrency", "6", "--run-dir", str(run)),
    )
    assert ran.code == 0, ran.err
    ran = lens("report", str(run), "--html", str(path))
    assert ran.code == 0, ran.err
    found = looked_at(path, "light", "dark", "phone")["light"]
    assert path.with_name("print.pdf").stat().st_size > 20_000
    assert len(found["charts"]) == 8
    assert json.loads(found["downloads"]["results.jsonl"])["metrics"] == ran.result["metrics"]
    lines = found["downloads"]["requests.csv"].splitlines()
    assert [line.split(",")[3] for line in lines[1:]].count("ok") == ran.result["requests"]["ok"]
    assert "% took" in found["tooltip"] or found["tooltip"].startswith("p99.9 ")


def test_runs_at_three_loads(simulate: Simulate, lens: Command, tmp_path: Path) -> None:
    server = simulate(ttft="lognormal:40ms,0.5", gap="2ms", tokens="16", slots="4")
    runs, path = [], tmp_path / "page.html"
    for users in ("2", "4", "8"):
        runs.append(str(tmp_path / f"run-{users}"))
        ran = lens(
            *("benchmark", "sim", "Hi", "--base-url", server.base_url, "--quiet"),
            *("--requests", "40", "--concurrency", users, "--run-dir", runs[-1]),
        )
        assert ran.code == 0, ran.err
    subprocess.run(
        [COMMAND, "report", *runs, "--html", path],
        env=lens.environment,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    assert len(looked_at(path, "phone")["phone"]["charts"]) == 6 + 3 * 4
    assert "Latency against throughput" in path.read_text()


def test_names_that_would_be_markup(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    config = {"provider": HOSTILE, "model": HOSTILE, "concurrency": 2}
    runs = [
        portrait(
            draw(SimConfig.from_options(model=HOSTILE), 20, concurrency=2),
            Context(id="r", name=name, config=config),
        )
        for name in (HOSTILE, f"{HOSTILE}2")
    ]
    with path.open("w") as file:
        html(runs, file)
    looked_at(path, "light")


def test_a_hundred_thousand_requests_open_at_once(tmp_path: Path) -> None:
    path, n = tmp_path / "page.html", 100_000
    options = {"ttft": "lognormal:200ms,0.4", "gap": "lognormal:20ms,0.5", "tokens": "16"}
    records = draw(
        SimConfig.from_options(**options, stalls="0.1%:500ms", faults="500:1%"), n, rate=100.0
    )
    one = portrait(records, Context(id="r", config={"provider": "openai", "model": "sim"}))
    html([one], io.StringIO())  # the bundle of the library is made once
    begun = time.process_time()
    with path.open("w") as file:
        html([one], file)
    assert time.process_time() - begun < 5
    assert path.stat().st_size < MOST_BYTES

    def check() -> None:
        assert looked_at(path, "light")["light"]["drawn_ms"] < OPEN_MS

    within_three(check)
