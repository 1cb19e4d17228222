"""`latency-lens run`: what it asks for, prints and writes."""

from __future__ import annotations

import json
import os
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from command_shell import Shell
from msgspec import UNSET

from llm_latency_lens.metrics.program import Program, Site, Spread
from llm_latency_lens.report import program

SPREAD = Spread(count=3, p50=412.3, p95=500, max=900)
SITE = Site(
    site="src/app/answers.py:41",
    provider="openai",
    model="gpt-4o-mini",
    calls=3,
    attempts=4,
    ok=3,
    failed=1,
    cancelled=0,
    waited_s=5.25,
    share=0.42,
    cost=Decimal("0.00124"),
    unpriced=0,
    ttft_ms=SPREAD,
    e2e_ms=SPREAD,
    errors={"rate_limit": 1},
)
BARE = Site(
    site=None,
    provider="anthropic",
    model="",
    calls=1,
    attempts=1,
    ok=0,
    failed=0,
    cancelled=1,
    waited_s=0.5,
    share=0.04,
    cost=None,
    unpriced=1,
    ttft_ms=UNSET,
    e2e_ms=UNSET,
    errors={"cancelled": 1},
)
FOUND = Program(
    name="nightly",
    wall_s=12.5,
    calls=4,
    waited_s=5.75,
    share=0.46,
    cost=Decimal("0.00124"),
    unpriced=1,
    clock_source="mixed",
    sites=[SITE, BARE],
)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    program(FOUND, sys.stdout)
    assert capsys.readouterr().out == (
        "nightly  4 calls · ran 12.5 s · 5.8 s of it (46 %) in calls · $0.00124\n"
        "\n"
        "  call site                                   calls  TTFT p50   E2E p50    waits   share"
        "        cost\n"
        "  src/app/answers.py:41                           3    412 ms    412 ms    5.2 s    42 %"
        "    $0.00124\n"
        "    openai/gpt-4o-mini · 1 rate_limit, 1 retry\n"
        "  (a library's own task)                          1         -         -    0.5 s     4 %"
        "           -\n"
        "    anthropic/? · 1 cancelled\n"
        "\n"
        "• no cost is known for 1 call\n"
        "• some of the stamps are the program's own, not the kernel's: taken right after each"
        " read\n"
    )


def test_a_program_without_calls(tmp_path: Path) -> None:
    shell = Shell()
    said = shell("run", "--run-dir", str(tmp_path), "--", sys.executable, "-c", "", **os.environ)
    assert (said.code, said.err) == (0, "")
    first, _, second, _, last = said.out.splitlines()
    assert first.startswith(f"{os.path.basename(sys.executable)}  0 calls · ran ")
    assert second.startswith("• no call to a language model was seen on httpx")
    assert last == f"Run kept in   {tmp_path}"
    again = shell("report", str(tmp_path), **os.environ)
    assert again.out.splitlines()[0] == first


def test_its_exit_code_and_its_files(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("a.json", "b.jsonl")]
    command = ["--", sys.executable, "-c", "raise SystemExit(5)"]
    options = ["--output", files[0], "--records", files[1], "--run-dir", str(tmp_path / "run")]
    said = Shell()("run", "--name", "mine", *options, *command, **os.environ)
    assert said.code == 5
    found = json.loads(Path(files[0]).read_text())
    assert (found["schema"], found["name"], found["sites"]) == (
        "latency-lens.program/1",
        "mine",
        [],
    )
    assert Path(files[1]).read_text() == ""


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((), "run takes a program behind --, as in: latency-lens run -- python app.py"),
        (("--", "no-such-thing"), "no program 'no-such-thing' was found"),
        (("python", "--port", "1"), "no such option: --port"),
        (("--output", "-", "--records", "-", "--", "x"), "--output - and --records -"),
    ],
)
def test_wrong_usage(args: tuple[str, ...], error: str) -> None:
    said = Shell()("run", *args)
    assert said.code == 2
    assert said.err.lower().startswith(f"latency-lens: error: {error}".lower())
