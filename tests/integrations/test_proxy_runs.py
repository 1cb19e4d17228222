"""A proxy from its start to its run: what is kept, told and printed."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
from asking import ASKED, BODY, HEADERS, KEY
from lens_servers import saying, simulating
from proxy_world import chunked, looped, until

from llm_latency_lens import UsageError
from llm_latency_lens.engine.plan import Progress
from llm_latency_lens.errors import RunError
from llm_latency_lens.integrations.kept import Kept
from llm_latency_lens.integrations.proxy import keeping as keeping_module
from llm_latency_lens.integrations.proxy.keeper import Errand, Keeper, unchunked
from llm_latency_lens.integrations.proxy.keeping import Keeping
from llm_latency_lens.integrations.proxy.program import Ran, run_proxy
from llm_latency_lens.integrations.sdk.call import Call
from llm_latency_lens.metrics.proxied import Delay
from llm_latency_lens.record import Status
from llm_latency_lens.report import proxied
from llm_latency_lens.store import runs
from llm_latency_lens.store.frames import read_frames
from llm_latency_lens.transport import Network, Tls

FAST = {"ttft": "2ms", "gap": "1ms", "tokens": "3"}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with simulating(tmp_path_factory.mktemp("sim"), **FAST) as base_url:
        yield base_url.removesuffix("/v1")


def proxying(
    origin: str, use: Callable[[str], object], *, ends: bool = True, **options: Any
) -> Ran:
    """A proxy while somebody uses it, in another thread; then Ctrl-C, which `ends` it."""
    failures: list[BaseException] = []

    def work(address: str) -> None:
        try:
            use(address)
        except BaseException as error:  # noqa: BLE001  (raised below)
            failures.append(error)
        finally:
            if ends:
                os.kill(os.getpid(), signal.SIGINT)

    threads: list[threading.Thread] = []

    def ready(address: str) -> None:
        threads.append(threading.Thread(target=work, args=(address,), daemon=True))
        threads[0].start()

    before = signal.getsignal(signal.SIGINT)
    ran = run_proxy(origin, port=0, on_ready=ready, **options)
    assert signal.getsignal(signal.SIGINT) is before
    threads[0].join(20)
    if failures:
        raise failures[0]
    return ran


def ask(address: str, times: int = 1) -> None:
    with httpx2.Client() as client:
        for _ in range(times):
            answer = client.post(f"{address}/v1/chat/completions", content=BODY, headers=HEADERS)
            assert answer.status_code == 200


def test_a_run_of_a_proxy(origin: str, tmp_path: Path) -> None:
    prices = [{"model": "sim", "input": "0", "output": "1000000", "source": "mine"}]

    def use(address: str) -> None:
        ask(address, 3)
        assert httpx2.get(f"{address}/v1/models").status_code == 200
        odd = httpx2.post(f"{address}/v1/completions", json={"text": "no model is named"})
        assert odd.status_code >= 400

    live = tmp_path / "live.jsonl"
    ran = proxying(
        origin, use, run_dir=tmp_path / "run", prices=prices, name="mine", stream_to=[str(live)]
    )
    result = ran.result
    assert (result.name, result.upstream, result.calls, result.others) == ("mine", origin, 3, 2)
    (route,) = result.routes
    assert (route.provider, route.model, route.ok, route.output_tokens) == ("openai", "sim", 3, 9)
    assert (result.cost, result.unpriced, result.unkept) == (9, 0, 0)
    assert route.ttft_ms
    assert route.itl_ms
    assert route.e2e_ms
    assert 2 <= route.ttft_ms.p50 <= route.ttft_ms.p95 <= route.e2e_ms.max
    assert (route.ttft_ms.count, route.itl_ms.count) == (3, 6)
    added = result.added
    assert isinstance(added.request_ms, Delay)
    assert isinstance(added.answer_ms, Delay)
    assert added.request_ms.count == 4  # the last of them seemed to be a call
    assert 0 < added.answer_ms.p50 <= added.answer_ms.p99 <= added.answer_ms.max
    records = list(ran.records())
    assert [record.status for record in records] == [Status.OK] * 3
    assert [record.max_tokens for record in records] == [99] * 3
    assert not ran.interrupted
    health = ran.run.file.context.health
    assert health is not None
    assert (health.clock_source, health.gc_disabled) == ("kernel", True)
    (sink,) = ran.run.file.context.sinks
    assert (sink.sent, sink.lost, len(live.read_text().splitlines())) == (3, 0, 3)
    kept = b"".join(file.read_bytes() for file in (tmp_path / "run").iterdir())
    assert KEY.encode() not in kept + live.read_bytes()
    assert result.clock_source == "kernel"


def test_who_is_under_way_may_end(tmp_path: Path) -> None:
    """Ctrl-C in the middle of an answer: it is handed on, and whoever asks then finds nobody."""
    heard: list[int] = []

    def use(address: str) -> None:
        with (
            httpx2.Client() as client,
            client.stream("POST", f"{address}/v1/chat/completions", content=BODY) as answer,
        ):
            parts = answer.iter_raw()
            next(parts)
            os.kill(os.getpid(), signal.SIGTERM)
            heard.append(len(b"".join(parts)))
            with pytest.raises(httpx2.HTTPError):
                httpx2.get(address)

    with simulating(tmp_path, ttft="1ms", gap="3ms", tokens="30") as base_url:
        origin = base_url.removesuffix("/v1")
        ran = proxying(origin, use, ends=False, run_dir=tmp_path / "run")
    assert heard[0] > 1000
    assert (ran.result.routes[0].ok, ran.interrupted) == (1, False)


def test_who_is_in_a_hurry(tmp_path: Path) -> None:
    """The second Ctrl-C cuts off what is under way."""

    def use(address: str) -> None:
        with httpx2.stream("POST", f"{address}/v1/chat/completions", content=BODY) as answer:
            parts = answer.iter_raw()
            next(parts)
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(httpx2.HTTPError):
                httpx2.get(address)
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(httpx2.HTTPError):
                list(parts)

    hangs = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    with saying(hangs, hang=True) as base_url:
        origin = base_url.removesuffix("/v1")
        ran = proxying(origin, use, ends=False, run_dir=tmp_path / "run", grace_s=60)
    assert (ran.result.routes[0].cancelled, ran.interrupted) == (1, True)
    (record,) = ran.records()
    assert record.error is not None
    assert record.error.message == "the proxy was ended"


def test_without_a_grace(tmp_path: Path) -> None:
    """What is under way at the end is cut off, and was cancelled."""
    hangs = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    told = threading.Event()
    progress: list[Progress] = []

    def look(now: Progress) -> None:
        progress.append(now)
        if now.in_flight:
            told.set()

    def use(address: str) -> None:
        with httpx2.stream("POST", f"{address}/v1/chat/completions", content=BODY) as answer:
            assert told.wait(20)
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(httpx2.HTTPError):
                answer.read()

    options: dict[str, Any] = {"raw": "off", "duration_s": 60, "grace_s": 0, "on_progress": look}
    with saying(hangs, hang=True) as base_url:
        origin = base_url.removesuffix("/v1")
        ran = proxying(origin, use, ends=False, run_dir=tmp_path / "run", **options)
    (route,) = ran.result.routes
    assert (route.cancelled, route.model, ran.interrupted) == (1, "sim", False)
    assert not (tmp_path / "run" / runs.TIMELINES).exists()
    left_s = progress[-1].remaining_s
    assert left_s is not None
    assert 0 < left_s < 60


def test_through_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = authority.issue_cert("127.0.0.1")
    server.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for number, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(str(tmp_path / "cert.pem"), append=number > 0)
    pair = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    network = Network(tls=Tls(ca_file=str(tmp_path / "ca.pem"), resume=True), proxy=None)
    with simulating(tmp_path, pair, **FAST) as base_url:
        address = base_url.removesuffix("/v1")
        ran = proxying(address, lambda at: ask(at, 2), run_dir=tmp_path / "run", network=network)
        with pytest.raises(RunError, match=f"--upstream {address}: the certificate .* not trusted"):
            run_proxy(address, port=0, run_dir=tmp_path / "none")
    records = list(ran.records())
    assert [record.clock_source for record in records] == ["kernel", "kernel"]
    assert [record.connection.tls_version for record in records] == ["TLSv1.3"] * 2
    assert records[0].connection.tls_ns
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_begun(tmp_path: Path, origin: str) -> None:
    with saying() as base_url:
        pass
    gone = base_url.removesuffix("/v1")
    with pytest.raises(RunError, match=r"--upstream http://127.* connection refused"):
        run_proxy(gone, port=0, run_dir=tmp_path)
    port = int(origin.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"127.0.0.1:{port} is in use: --listen names another"):
        run_proxy(origin, port=port)
    with pytest.raises(UsageError, match=r"--listen 192\.0\.2\.1:1: "):
        run_proxy(origin, host="192.0.2.1", port=1)
    with pytest.raises(UsageError, match="no provider named 'opnai'"):
        run_proxy(origin, provider="opnai")
    with pytest.raises(UsageError, match="CA file"):
        run_proxy("https://x", port=0, network=Network(tls=Tls(ca_file=str(tmp_path / "no.pem"))))
    assert list(tmp_path.iterdir()) == []


# -- the keeper -------------------------------------------------------------------------------


def call_of(body: bytes, path: str = "/v1/chat/completions") -> Call:
    call = Call("POST", f"http://h{path}", [("Authorization", f"Bearer {KEY}")], body, framed=True)
    call.start_ns, call.sent_ns = 5, 6
    answer = b'{"choices":[{"message":{"content":"yes"}}]}'
    call.take(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer, 10, 0)
    call.end()
    return call


@pytest.mark.parametrize("raw", ["full", "redacted", "off"])
def test_the_keeper_keeps_calls(tmp_path: Path, raw: Any) -> None:
    keeper = Keeper(Errand(str(tmp_path), raw), pytest.fail)
    keeper.take(call_of(BODY))
    keeper.take(call_of(b'{"text": "asks no model"}', "/v1/completions"))
    keeper.take(
        Call("POST", "http://h/v1/messages", [("Transfer-Encoding", "chunked")], b"zz", framed=True)
    )
    chunks = call_of(chunked(BODY[:5], BODY[5:]))
    chunks.request_headers = (("Transfer-Encoding", "chunked"),)
    assert unchunked(chunks) == BODY
    keeper.take(chunks)
    report = keeper.finish()
    assert (report.kept.calls, report.others, report.kept.sources) == (2, 1, ["user"])
    assert list(report.kept.arms) == ["openai/sim at h"]
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert (b"yes" in kept) == (raw == "full")
    assert KEY.encode() not in kept


def test_the_keeper_warns_once(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Keeper(Errand(str(tmp_path)), said.append)
    keeper._kept._told.error = "the disk is full"
    for _ in range(2):
        keeper.take(call_of(BODY))
    assert said == ["the disk is full (calls go through all the same)"]
    assert keeper.finish().kept.lost == 2


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "full", None, keep_text=False)
    assert kept._spool is not None
    os.close(kept._spool._fd)
    kept._spool._fd = os.open("/dev/full", os.O_WRONLY)
    kept._spool.written = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "ftruncate", lambda *_: None)
        for _ in range(3):
            kept.take(call_of(BODY))
    told = kept.close()
    assert (told.calls, told.lost) == (1, 3)
    assert told.error is not None
    assert "No space left" in told.error
    off = Kept(tmp_path, "off", None, keep_text=False)
    assert off._records is not None
    off._records._file.close()
    off._records._file = open("/dev/full", "wb")  # noqa: SIM115
    for _ in range(2):
        off.take(call_of(BODY))
    told = off.close()
    assert told.error is not None


@looped
async def test_a_keeper_that_is_gone(tmp_path: Path) -> None:
    keeping = Keeping(Errand(str(tmp_path / "missing")), os.environ)
    keeping._process.wait(20)
    keeping.take(call_of(BODY))
    keeping.flush()
    keeping.take(call_of(BODY))
    report = keeping.finish()
    assert report.error is not None
    assert "missing" in report.error
    assert keeping.unkept == 1
    killed = Keeping(Errand(str(tmp_path)), os.environ)
    killed._process.kill()
    assert killed.finish().error == "the process that keeps the calls ended before its time"


def models_in(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [timeline.model for timeline in read_frames(file, lambda _: None)]


@looped
async def test_a_keeper_that_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pipe does not take waits, to a bound; then calls are lost, and counted."""
    keeping = Keeping(Errand(str(tmp_path)), os.environ)
    os.kill(keeping._process.pid, signal.SIGSTOP)
    large = call_of(json.dumps({"model": "m", "prompt": "x" * 3_000_000}).encode())
    for call in (call_of(BODY), large, call_of(BODY)):
        keeping.take(call)
    waits = keeping._size
    keeping.flush()
    await until(lambda: 0 < keeping._size < waits - 600_000)
    assert keeping._watched
    keeping.flush()
    monkeypatch.setattr(keeping_module, "_MOST_WAITING", keeping._size + 10)
    keeping.take(call_of(BODY))
    assert keeping.unkept == 1
    os.kill(keeping._process.pid, signal.SIGCONT)
    await until(lambda: not keeping._watched)
    keeping.take(call_of(BODY))
    keeping.detach()
    report = keeping.finish()
    assert (report.kept.calls, report.error) == (4, None)
    assert models_in(tmp_path / runs.TIMELINES) == ["sim", "m", "sim", "sim"]


def test_what_is_printed(origin: str, tmp_path: Path) -> None:
    ran = proxying(origin, ask, run_dir=tmp_path / "run", raw="off")
    out = io.StringIO()
    proxied(ran.result, out)
    head, _, titles, model, provider, _, *notes = out.getvalue().splitlines()
    assert head.startswith(f"proxy  1 call · for {origin} · in ")
    assert titles.split() == [
        "model",
        "calls",
        "TTFT",
        "p50",
        "p95",
        "ITL",
        "p99",
        "E2E",
        "p50",
        "tokens",
        "cost",
    ]
    assert model.split()[:2] == ["sim", "1"]
    assert provider == "    openai"
    assert notes[0].startswith("• the proxy added ")
    assert json.loads((tmp_path / "run" / runs.RUN).read_text())["context"]["config"]["others"] == 0
    assert ASKED["model"] == "sim"
