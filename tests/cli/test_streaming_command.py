"""`--stream-to`, and `export --to URL`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_shell import Shell

from llm_latency_lens.sinks.address import WAYS

LOAD = ("--requests", "6", "--concurrency", "3", "--quiet")


@pytest.fixture
def run_dir(shell: Shell, simulator: str, tmp_path: Path) -> str:
    folder = str(tmp_path / "run")
    said = shell("benchmark", "sim", "hi", "--base-url", simulator, "--run-dir", folder, *LOAD)
    assert said.code == 0
    return folder


def test_requests_are_streamed_and_what_is_lost_is_said(
    shell: Shell, simulator: str, tmp_path: Path, refusing: Callable[[], str]
):
    live, result, lines = (tmp_path / name for name in ("live.jsonl", "r.json", "lines.jsonl"))
    down = refusing().removesuffix("/v1").replace("http://", "influx+http://me:pa55@") + "?db=a"
    shown = down.replace("me:pa55@", "")
    said = shell(
        *("benchmark", "sim", "hi", "--base-url", simulator, *LOAD),
        *("--stream-to", str(live), "--stream-to", down),
        *("--output", str(result), "--records", str(lines)),
    )
    assert said.code == 0
    (warning,) = said.err.splitlines()
    assert warning.startswith(
        f"latency-lens: warning: {shown} did not take 6 of 6 requests: [Errno "
    )
    assert sorted(live.read_text().splitlines()) == sorted(lines.read_text().splitlines())
    assert json.loads(result.read_text())["run"]["sinks"] == [
        {"url": str(live), "sent": 6, "lost": 0, "error": None},
        {"url": shown, "sent": 0, "lost": 6, "error": warning.partition("requests: ")[2]},
    ]
    assert "pa55" not in result.read_text()
    assert not any("pa55" in file.read_text() for file in tmp_path.rglob("run.json"))


def test_a_run_is_sent_to_a_file(shell: Shell, run_dir: str, tmp_path: Path):
    out = tmp_path / "sent.jsonl"
    said = shell("export", run_dir, "--to", f"file:{out}")
    assert (said.code, said.out) == (0, "")
    assert said.err == f"6 requests were sent to {out}\n"
    assert out.read_text() == shell("export", run_dir, "--to", "jsonl").out


def test_a_run_is_sent_to_nobody(shell: Shell, run_dir: str, refusing: Callable[[], str]):
    url = refusing().removesuffix("/v1")
    said = shell("export", run_dir, "--to", f"pushgateway+{url}")
    assert said.code == 3
    assert said.err.startswith(f"latency-lens: error: pushgateway+{url}: [Errno ")


@pytest.mark.parametrize("verb", ["benchmark", "profile"])
def test_a_wrong_url_ends_it_before_anything_is_sent(shell: Shell, verb: str, simulator: str):
    said = shell(verb, "sim", "hi", "--base-url", simulator, "--stream-to", "kafka://h")
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("latency-lens: error: cannot send to 'kafka'")
    assert all(way in line for way in WAYS)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--to", "influx+http://h"], "the influx URL must say db="),
        (["--to", "statsd://h", "--output", "x"], "--output goes with a format"),
        (["--to", "file:/nosuch/a"], "cannot write /nosuch/a: No such file or directory"),
    ],
)
def test_wrong_wishes(shell: Shell, run_dir: str, args: list[str], message: str):
    said = shell("export", run_dir, *args)
    assert said.code == (3 if "/nosuch" in message else 2)
    (line,) = said.err.splitlines()
    assert message in line
