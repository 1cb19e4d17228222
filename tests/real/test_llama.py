"""The instrument against llama.cpp with a real model, held against the server's own timings."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_command import Command

from llm_latency_lens.store import runs
from llm_latency_lens.timeline import Timeline

pytestmark = pytest.mark.real

# Without it the server skips the part of a prompt that it has seen before.
FRESH = ("--extra-body", '{"cache_prompt": false, "seed": 1}', "--temperature", "0")


def near(measured_ms: float, told_ms: float) -> bool:
    """Within 2 % or 2 ms, whichever is more."""
    return abs(measured_ms - told_ms) <= max(0.02 * told_ms, 2.0)


def check(record: dict[str, Any], theirs: dict[str, Any]) -> None:
    """What must hold for each streamed answer, however busy the machine is."""
    assert record["status"] == "ok"
    assert record["usage"]["output"] == theirs["predicted_n"]
    assert record["usage"]["input"] == theirs["prompt_n"] + theirs["cache_n"]
    assert record["ttft_ms"] > theirs["prompt_ms"]


def agrees(record: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether the times of a streamed answer are those that the server reports.

    llama.cpp counts `prompt_ms` from taking up the prompt to the first token, and `predicted_ms`
    from the first token to the last. The way to it, parsing and the queue are in no figure of its
    own; they end before its first byte, which it sends when it takes up the prompt. A token leaves
    later than it was made when the server's thread for sending has to wait for a CPU, so that on a
    machine with other work not every single answer agrees, and a test asks for more than half.
    """
    marks, prompt_ms = record["marks_ms"], theirs["prompt_ms"]
    before_ms = min(record["ttft_ms"] - prompt_ms, marks["first_byte"])
    return (
        near(record["ttft_ms"], before_ms + prompt_ms)
        and near(marks["last_token"] - marks["first_token"], theirs["predicted_ms"])
        and record["tpot_ms"] == pytest.approx(theirs["predicted_per_token_ms"], rel=0.02)
    )


def check_all(records: list[dict[str, Any]], run_dir: Path) -> list[dict[str, Any]]:
    """Hold a run's streamed answers against the server's account; gives that, in their order."""
    timings = told(run_dir)
    pairs = [(record, timings[record["id"]]) for record in records]
    for record, theirs in pairs:
        check(record, theirs)
    agreeing = [agrees(record, theirs) for record, theirs in pairs]
    assert sum(agreeing) > len(pairs) / 2, pairs
    return [theirs for _, theirs in pairs]


def told(run_dir: Path) -> dict[str, dict[str, Any]]:
    """By request: llama.cpp's last `timings`, read from the raw bytes by nothing of ours."""
    return {
        timeline.id: [event for event in _events(timeline) if "timings" in event][-1]["timings"]
        for timeline in runs.find(str(run_dir)).timelines()
    }


def _events(timeline: Timeline) -> Iterator[dict[str, Any]]:
    body = timeline.body.decode()
    if not timeline.stream:
        yield json.loads(body)
        return
    for line in body.splitlines():
        data = line.removeprefix("data: ")
        if data.startswith("{"):
            yield json.loads(data)


def prompts(folder: Path, count: int) -> str:
    """A file of prompts of different lengths, none of which begins like another."""
    lines = [
        f"{100 + 7 * index} Tell me about the number {index}." + " Say more." * (index % 5)
        for index in range(count)
    ]
    file = folder / "prompts.txt"
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def test_profile_agrees_with_the_server(llama: str, lens: Command, tmp_path: Path) -> None:
    records = []
    for number in range(3):
        ran = lens(
            *("profile", "llamacpp/smollm2", f"{number} stories about a lighthouse, please."),
            *("--base-url", llama, "--max-tokens", "64", *FRESH),
            *("--run-dir", str(tmp_path / f"run-{number}")),
        )
        assert ran.code == 0, ran.err
        (theirs,) = told(tmp_path / f"run-{number}").values()
        check(ran.record, theirs)
        records.append((ran.record, theirs))
    assert sum(agrees(*pair) for pair in records) >= 2, records
    record, theirs = records[0]
    assert record["usage"]["output"] == 64
    assert record["finish_reason"] == "length"
    assert record["clock_source"] == "kernel"
    assert record["connection"]["connect_ms"] > 0
    assert record["hints_ms"]["prompt_ms"] == theirs["prompt_ms"]


def test_benchmark_agrees_with_the_server(llama: str, lens: Command, tmp_path: Path) -> None:
    ran = lens(
        *("benchmark", "llamacpp/smollm2", "--prompt-file", prompts(tmp_path, 12)),
        *("--base-url", llama, "--requests", "12", "--max-tokens", "32", *FRESH),
        *("--run-dir", str(tmp_path / "run"), "--quiet"),
    )
    assert ran.code == 0, ran.err
    assert len(ran.records) == 12
    timings = check_all(ran.records, tmp_path / "run")
    result = ran.result
    assert result["requests"]["ok"] == 12
    assert result["tokens"]["output"] == sum(one["predicted_n"] for one in timings)
    assert result["tokens"]["input"] == sum(one["prompt_n"] for one in timings)
    rate = result["metrics"]["output_tokens_per_second"]["p50"]
    rates = [1000 / one["predicted_per_token_ms"] for one in timings]
    assert rate == pytest.approx(statistics.median(rates), rel=0.02)
    assert result["instrument"]["clock_source"] == "kernel"


def test_streams_side_by_side(llama: str, lens: Command, tmp_path: Path) -> None:
    """Four at a time share one thread: the server's figures still hold for each."""
    ran = lens(
        *("benchmark", "llamacpp/smollm2", "--prompt-file", prompts(tmp_path, 8)),
        *("--base-url", llama, "--requests", "8", "--concurrency", "4", "--max-tokens", "24"),
        *(*FRESH, "--run-dir", str(tmp_path / "run"), "--quiet"),
    )
    assert ran.code == 0, ran.err
    assert len(ran.records) == 8
    check_all(ran.records, tmp_path / "run")


def test_more_requests_than_the_server_lets_one_connection_carry(llama: str, lens: Command) -> None:
    """It closes a connection after a streamed answer without saying so; none of that is a failure
    of the request that comes next."""
    ran = lens(
        *("benchmark", "llamacpp/smollm2", "Hi", "--base-url", llama, "--requests", "60"),
        *("--concurrency", "2", "--max-tokens", "2", "--quiet"),
    )
    assert ran.code == 0, ran.err
    assert ran.result["requests"]["ok"] == 60
    assert ran.result["requests"]["failed"] == 0


def test_the_prompt_cache_is_seen(llama: str, lens: Command) -> None:
    ran = lens(
        *("benchmark", "llamacpp/smollm2", "Count the words of this sentence, please."),
        *("--base-url", llama, "--requests", "2", "--max-tokens", "4", "--quiet"),
    )
    assert ran.code == 0, ran.err
    first, second = sorted(ran.records, key=lambda record: record["index"])
    assert second["usage"]["cached_input"] > 0
    assert second["ttft_ms"] < first["ttft_ms"]


def test_an_answer_in_one_piece(llama: str, lens: Command, tmp_path: Path) -> None:
    ran = lens(
        *("profile", "llamacpp/smollm2", "Name three colours.", "--no-stream"),
        *("--base-url", llama, "--max-tokens", "16", *FRESH, "--run-dir", str(tmp_path / "run")),
    )
    assert ran.code == 0, ran.err
    record = ran.record
    (timings,) = told(tmp_path / "run").values()
    assert record["usage"]["output"] == timings["predicted_n"] == 16
    assert record["tpot_ms"] is None
    assert record["e2e_ms"] > timings["prompt_ms"] + timings["predicted_ms"]
    assert record["e2e_ms"] < 1.1 * (timings["prompt_ms"] + timings["predicted_ms"]) + 20


def test_a_model_that_the_server_does_not_have(llama: str, lens: Command) -> None:
    """llama.cpp serves what it has under any name; the record says which model answered."""
    ran = lens("profile", "llamacpp/no-such-model", "Hi", "--base-url", llama, "--max-tokens", "2")
    assert ran.code == 0, ran.err
    assert ran.record["model"] == "no-such-model"
    assert ran.record["response_model"].endswith(".gguf")


def test_a_request_that_the_server_refuses(llama: str, lens: Command) -> None:
    ran = lens(
        *("benchmark", "llamacpp/smollm2", "Hi", "--base-url", llama, "--requests", "1"),
        *("--extra-body", '{"max_tokens": "many"}', "--quiet"),
    )
    assert ran.code == 3
    assert "Traceback" not in ran.err
    assert ran.record["error"]["kind"] in ("bad_request", "server")
    assert ran.record["error"]["http_status"] in (400, 500)


def test_a_path_that_the_server_does_not_have(llama: str, lens: Command) -> None:
    origin = llama.removesuffix("/v1")
    ran = lens("profile", "openai/smollm2", "Hi", "--base-url", origin + "/v9")
    assert ran.code == 3
    assert ran.record["error"]["http_status"] == 404
    assert "Traceback" not in ran.err
