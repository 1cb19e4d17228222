"""The library's face, against the simulated provider."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens import (
    ErrorKind,
    EventKind,
    Lens,
    Progress,
    Prompt,
    RunError,
    Stage,
    Status,
    Timeouts,
    UsageError,
    load,
    load_trial,
    optimize,
    send,
)
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import RunningSimulator, start_simulator

KEY = "sk-test-0123456789abcdef"
_QUICK = {"ttft": "20ms", "gap": "5ms", "tokens": "8"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with start_simulator(SimConfig.from_options(**_QUICK)) as running:
        yield running


@pytest.fixture
def lens(simulator: RunningSimulator, tmp_path: Path) -> Lens:
    return Lens(
        model="sim",
        base_url=simulator.base_url,
        api_key=KEY,
        proxy=None,
        run_dir=tmp_path / "run",
        headers=[("x-team", "measuring")],
    )


def test_profile_times_one_request(lens: Lens, tmp_path: Path) -> None:
    heard: list[tuple[EventKind, str]] = []
    found = lens.profile("Say hello", on_text=lambda kind, text: heard.append((kind, text)))
    assert found.record.status is Status.OK
    assert found.ttft_ms is not None
    assert found.e2e_ms is not None
    assert found.tpot_ms is not None
    assert found.answer_ms == found.ttft_ms
    assert 20 <= found.ttft_ms <= found.e2e_ms
    assert "".join(text for _, text in heard) == found.text
    assert {kind for kind, _ in heard} == {EventKind.TEXT}
    assert found.run_dir == tmp_path / "run"
    line = found.to_dict()
    assert line["ttft_ms"] == found.ttft_ms
    assert "text" not in line
    assert [kind for _, kind, _ in line["events"]] == ["text"] * 8


def test_benchmark_sums_up_and_reads_the_same_again(lens: Lens) -> None:
    seen: list[Progress] = []
    found = lens.benchmark(
        ["one", Prompt.of("two")],
        requests=12,
        concurrency=3,
        warmup=2,
        objectives=["ttft_ms<10s"],
        on_progress=seen.append,
        name="nightly",
    )
    result = found.result
    assert (result.requests.ok, result.requests.warmup) == (12, 2)
    assert result.run.name == "nightly"
    assert result.tokens.output == 12 * 8
    assert len(list(found.records())) == 14
    assert seen[-1].planned == 12
    assert load(found.run_dir).result == result


def test_the_key_and_the_prompt_reach_no_file(lens: Lens) -> None:
    found = lens.benchmark("a very private prompt", requests=2)
    for file in found.run_dir.iterdir():
        content = file.read_bytes()
        assert KEY.encode() not in content
        assert b"private prompt" not in content
        assert b"measuring" not in content
    assert KEY not in repr(lens)


def test_asynchronous_calls_share_the_core(lens: Lens) -> None:
    async def both() -> tuple[Status, int]:
        profile = await lens.aprofile("hi")
        benchmark = await lens.abenchmark("hi", requests=3, rate=100.0, arrival="poisson")
        return profile.record.status, benchmark.result.requests.ok

    assert asyncio.run(both()) == (Status.OK, 3)


def test_synchronous_calls_work_where_a_loop_is_running(lens: Lens) -> None:
    """As in a notebook."""

    async def inside() -> list[int]:
        found = lens.benchmark("hi", requests=2).result.requests.ok
        compared = lens.compare({"other": lens}, "hi", requests=1).result.candidates
        cooled = lens.coldstart("hi", idle_s=[0], repeat=1, prefix_words=0).result.arms
        assert lens.profile("hi").record.status is Status.OK
        return [found, len(compared), len(cooled)]

    assert asyncio.run(inside()) == [2, 2, 2]


def test_experiments_are_awaited_too(lens: Lens) -> None:
    async def inside() -> list[int]:
        compared = await lens.acompare({"other": lens}, "hi", requests=1)
        cooled = await lens.acoldstart("hi", idle_s=[0], repeat=1, prefix_words=0)
        assert load_trial(cooled.run_dir).result == cooled.result
        return [len(compared.result.candidates), len(cooled.result.arms)]

    assert asyncio.run(inside()) == [2, 2]


def test_candidates_have_the_shortest_names_that_differ(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    def one(model: str, provider: str = "openai", url: str = simulator.base_url) -> Lens:
        return Lens(model=model, provider=provider, base_url=url, api_key="none")

    def names(first: Lens, others: Any) -> list[str]:
        return list(first._with(others))

    first = one("org/m")
    assert names(first, one("n")) == ["m", "n"]
    assert names(first, [one("m", "groq"), one("x")]) == ["openai/org/m", "groq/m", "openai/x"]
    elsewhere = one("org/m", url="http://localhost:1/v1")
    host = simulator.base_url.split("/")[2]
    assert names(first, elsewhere) == [f"openai/org/m@{host}", "openai/org/m@localhost:1"]
    assert names(first, {"m": one("n"), "b": one("m")}) == ["openai/org/m", "m", "b"]
    with pytest.raises(UsageError, match="two candidates have the same name: give them names"):
        names(first, [one("org/m")])


def test_a_benchmark_is_no_trial(lens: Lens) -> None:
    with pytest.raises(UsageError, match="is the run of a benchmark: `load` reads it"):
        load_trial(lens.profile("hi").run_dir)


def test_an_option_that_there_is_not_is_said(lens: Lens) -> None:
    wrong: dict[str, Any] = {"reqests": 4}
    for call, hint in (
        (lens.benchmark, "no option 'reqests': did you mean requests?"),
        (lens.records, "no option 'reqests': did you mean requests?"),
        (lambda *_, **options: lens.compare({"b": lens}, "hi", **options), "did you mean requests"),
        (lens.coldstart, "did you mean repeat?"),
        (lambda *_, **options: optimize({"a": lens, "b": lens}, "hi", **options), "max_requests"),
    ):
        with pytest.raises(UsageError, match=re.escape(hint)):
            call("hi", **wrong)


@pytest.mark.parametrize("name", ["raw", "operation"])
def test_a_setting_that_is_none_of_those_known(name: str) -> None:
    wrong: dict[str, Any] = {name: "chats"}
    with pytest.raises(UsageError, match=f"{name} is 'chats': it must be one of "):
        Lens(model="m", api_key="none", **wrong)


def test_without_a_prompt_nothing_is_sent(lens: Lens) -> None:
    with pytest.raises(UsageError, match="there is no prompt to send"):
        lens.benchmark([])


def test_a_failed_request_is_data(tmp_path: Path) -> None:
    with start_simulator(SimConfig.from_options(**_QUICK, faults="cut@3:always")) as simulator:
        lens = Lens(
            model="sim", base_url=simulator.base_url, proxy=None, run_dir=tmp_path, api_key="none"
        )
        found = lens.profile("hi")
    error = found.record.error
    assert error is not None
    assert (error.kind, error.stage) == (ErrorKind.NETWORK, Stage.STREAM)
    assert len(found.record.events) > 0


def test_the_first_token_has_a_limit(tmp_path: Path) -> None:
    with start_simulator(SimConfig.from_options(ttft="30s")) as simulator:
        lens = Lens(
            model="sim",
            base_url=simulator.base_url,
            proxy=None,
            run_dir=tmp_path,
            timeouts=Timeouts(first_token_s=0.05),
        )
        error = lens.profile("hi").record.error
    assert error is not None
    assert error.kind is ErrorKind.TIMEOUT
    assert error.message == "no first token within 0.05 s"


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="set OPENAI_API_KEY"):
        Lens(model="m", base_url="https://api.example.com/v1")


def test_the_environment_gives_key_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://user:word@api.example.com/v1/")
    assert repr(Lens(model="m")) == "Lens(openai/m at https://api.example.com/v1)"


def test_a_model_is_needed() -> None:
    with pytest.raises(UsageError, match="no model is named"):
        Lens(model="", api_key="none")


def test_keep_text_keeps_prompts_and_answers(simulator: RunningSimulator, tmp_path: Path) -> None:
    lens = Lens(
        model="sim", base_url=simulator.base_url, proxy=None, run_dir=tmp_path, keep_text=True
    )
    found = lens.profile("a public prompt")
    assert found.to_dict()["text"] == found.text
    assert "a public prompt" in (found.run_dir / "run.json").read_text()


def test_a_kept_run_is_sent_and_requests_are_streamed(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    live, again = tmp_path / "live.jsonl", tmp_path / "again.jsonl"
    streaming = Lens(
        model="sim",
        base_url=simulator.base_url,
        api_key=KEY,
        proxy=None,
        run_dir=tmp_path / "run",
        stream_to=[str(live)],
    )
    found = streaming.benchmark("Say hello", requests=3)
    assert [(sink.sent, sink.lost) for sink in found.result.run.sinks or ()] == [(3, 0)]
    assert send(tmp_path / "run", f"file:{again}") == 3
    assert sorted(live.read_text().splitlines()) == sorted(again.read_text().splitlines())
    with pytest.raises(UsageError, match="cannot send to 'kafka'"):
        Lens(model="m", api_key="none", stream_to=["kafka://h"])
    with pytest.raises(RunError, match="cannot write /nosuch/a: "):
        send(tmp_path / "run", "file:/nosuch/a")
