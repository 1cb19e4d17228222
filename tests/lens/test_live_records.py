"""Records that are read while their run goes on."""

from __future__ import annotations

import asyncio
import io
import pickle
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens import Lens, LensError, LiveRun, RunError, Status, UsageError, load
from llm_latency_lens.engine.capture import Captured
from llm_latency_lens.experiments import live
from llm_latency_lens.experiments.apart import Errand, _sealed, main
from llm_latency_lens.request import Prompt, Secret
from llm_latency_lens.store import runs
from llm_latency_lens.store.frames import MAX_ATTEMPT
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

KEY = "sk-test-0123456789abcdef"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    config = SimConfig.from_options(ttft="3ms", gap="1ms", tokens="6")
    with start_simulator(config) as simulator:
        yield simulator.base_url


@pytest.fixture
def lens(url: str, tmp_path: Path) -> Lens:
    return Lens(model="sim", base_url=url, api_key=KEY, proxy=None, run_dir=tmp_path / "run")


class Beside:
    """The other process as a thread of this one, which takes no time to start."""

    def __init__(self, errand: Errand) -> None:
        self.ended = threading.Event()
        self._signs: queue.Queue[bytes] = queue.Queue()
        self._out = io.BytesIO()
        threading.Thread(target=self._work, args=(io.BytesIO(_sealed(errand)),)).start()

    def _work(self, source: io.BytesIO) -> None:
        main(source, self._out, self._signs.get)
        self._signs.put(b"")
        self.ended.set()

    def interrupt(self) -> None:
        self._signs.put(b".")

    def captured(self) -> Captured:
        self.ended.wait()
        found = pickle.loads(self._out.getvalue())
        if isinstance(found, LensError):
            raise found
        assert isinstance(found, Captured)
        return found


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "Apart", Beside)


def test_every_record_comes_once_and_the_run_is_a_benchmark(url: str, tmp_path: Path) -> None:
    """A tokenizer need not be known to the other process, and a key is not kept."""
    prices: Any = [{"provider": "openai", "model": "sim", "per_request": "0.01"}]
    lens = Lens(model="sim", base_url=url, api_key=KEY, proxy=None, run_dir=tmp_path / "run",
                prices=prices, tokenizer=lambda _: 77,
                extra_body={"stream_options": {"include_usage": False}})  # fmt: skip
    run = lens.records(["one", "two"], requests=6, warmup=1, concurrency=2, name="nightly")
    assert repr(run).startswith("LiveRun(not begun, run ")
    with pytest.raises(UsageError, match="the run has not begun: iterate over it first"):
        run.benchmark  # noqa: B018
    seen = list(run)
    found = run.benchmark
    assert [record.id for record in seen] == [record.id for record in found.records()]
    assert {str(record.cost_usd) for record in seen} == {"0.0100"}
    assert {record.usage.output for record in seen} == {77}
    assert (found.result.requests.ok, found.result.requests.warmup) == (6, 1)
    assert found.result.tokens.output == 6 * 77
    assert found.result.run.name == "nightly"
    assert found.run_dir == tmp_path / "run"
    assert load(found.run_dir).result == found.result
    assert run.benchmark is found
    assert repr(run).startswith("LiveRun(ended, run ")
    assert KEY.encode() not in b"".join(file.read_bytes() for file in found.run_dir.iterdir())
    with pytest.raises(UsageError, match="a live run is read once"):
        next(iter(run))


def test_a_process_that_died_is_said_and_its_run_is_kept(lens: Lens) -> None:
    run = lens.records("hi", duration_s=60)
    records = iter(run)
    assert next(records).status is Status.OK
    assert run._apart is not None
    assert run._path is not None
    run._apart._process.kill()
    with pytest.raises(RunError, match=r"ended before its time \(code -9\); what it captured is"):
        list(records)
    with pytest.raises(RunError, match="ended before its time"):
        run.benchmark  # noqa: B018
    assert load(run._path).result.requests.ok >= 1


@pytest.mark.usefixtures("beside")
def test_leaving_the_loop_ends_the_run_and_keeps_what_was_measured(lens: Lens) -> None:
    run = lens.records("hi", duration_s=60)
    for record in run:
        assert record.status is Status.OK
        assert repr(run).startswith("LiveRun(going on, run ")
        break
    result = run.benchmark.result
    assert result.run.interrupted
    assert result.requests.ok >= 1
    assert result.requests.cancelled == 0


@pytest.mark.usefixtures("beside")
def test_by_async_for(lens: Lens) -> None:
    async def read() -> LiveRun:
        async with lens.records("hi", duration_s=60, concurrency=2) as run:
            async for _ in run:
                break
        return run

    result = asyncio.run(read()).benchmark.result
    assert result.run.interrupted
    assert (result.requests.ok >= 1, result.requests.cancelled) == (True, 0)


@pytest.mark.usefixtures("beside")
def test_a_second_stop_cuts_off(lens: Lens) -> None:
    unbegun = lens.records("hi", requests=1)
    unbegun.stop()
    with unbegun:
        assert [record.status for record in unbegun] == [Status.OK]
    with lens.records("hi", duration_s=60) as run:
        next(iter(run))
        run.stop()
        run.stop()
    assert run.benchmark.result.run.interrupted


@pytest.mark.usefixtures("beside")
def test_with_raw_off_they_come_at_the_end(url: str, tmp_path: Path) -> None:
    known: Any = {"base_url": url, "api_key": "none", "proxy": None, "model": "sim", "raw": "off"}
    lens = Lens(**known, run_dir=tmp_path / "run")
    assert len(list(lens.records("hi", requests=2))) == 2
    counting = Lens(**known, tokenizer=len)
    with pytest.raises(UsageError, match="with raw off nothing is left to count"):
        counting.records("hi")


@pytest.mark.usefixtures("beside")
def test_what_cannot_be_sent_is_said(lens: Lens, url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rate is -1"):
        lens.records("hi", rate=-1)
    with pytest.raises(UsageError, match="there is no prompt to send"):
        lens.records([])
    with lens.records("hi", requests=1):
        pass  # nothing was read: nothing is sent
    wrong = Lens(model="sim", base_url=url, api_key="none", proxy="nonsense://x",
                 run_dir=tmp_path / "run")  # fmt: skip
    run = wrong.records("hi", requests=1)
    with pytest.raises(UsageError, match="proxy"):
        list(run)
    assert not (tmp_path / "run").exists()


# --- the other side, in this process --------------------------------------------------------


def errand(lens: Lens, **settings: Any) -> Errand:
    prompts = [Prompt.of("hi")]
    return Errand(lens.party(), prompts, settings, lens._context("", prompts, settings))  # type: ignore[arg-type]


def test_the_other_process_does_as_it_is_told(lens: Lens, tmp_path: Path) -> None:
    out = io.BytesIO()
    signs = iter((b".", b""))
    assert main(io.BytesIO(_sealed(errand(lens, duration_s=60))), out, lambda: next(signs)) == 0
    found = pickle.loads(out.getvalue())
    assert isinstance(found, Captured)
    assert found.run.file.context.interrupted
    assert runs.load(tmp_path / "run").file.context.interrupted


def test_what_it_cannot_do_it_tells(lens: Lens, tmp_path: Path) -> None:
    out = io.BytesIO()
    wrong = errand(lens, retries=MAX_ATTEMPT + 1)
    assert main(io.BytesIO(_sealed(wrong)), out, lambda: b"") == 0
    assert isinstance(pickle.loads(out.getvalue()), UsageError)


def test_a_key_leaves_by_that_pipe_alone(lens: Lens, tmp_path: Path) -> None:
    told = pickle.loads(_sealed(errand(lens)))
    assert told.party.aim.target.api_key == Secret(KEY)
    assert KEY not in repr(told)
    with pytest.raises(TypeError, match="keys do not leave the process"):
        pickle.dumps(told)
