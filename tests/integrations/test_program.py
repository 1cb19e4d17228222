"""A program that is measured from outside."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import BODY, HEADERS, KEY
from lens_servers import simulating

from llm_latency_lens import StoreError, UsageError
from llm_latency_lens.cli.validation import unknown_variables
from llm_latency_lens.integrations.outside import child, program, wire
from llm_latency_lens.integrations.outside.program import run_program
from llm_latency_lens.integrations.sdk.call import Call
from llm_latency_lens.record import Status

APP = """\
import os, sys
import httpx2, requests
import own_start
assert own_start.STARTED == ["mine"], own_start.STARTED
assert not [entry for entry in sys.path if "startup" in entry]
url, headers, body = sys.argv[1], eval(sys.argv[2]), eval(sys.argv[3])

def ask():
    return httpx2.post(url, content=body, headers=headers)

ask()
ask()
if os.fork() == 0:
    requests.post(url, data=body, headers=headers)
    os._exit(0)
os.wait()
print("done", sys.argv[4:])
sys.exit(7)
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sim")
    with simulating(folder, ttft="2ms", gap="1ms", tokens="3") as base_url:
        yield f"{base_url}/chat/completions"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment that has a sitecustomize of its own."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own_start.py").write_text("STARTED = []\n")
    (folder / "sitecustomize.py").write_text("import own_start\nown_start.STARTED.append('mine')\n")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


@pytest.mark.parametrize("raw", ["full", "redacted", "off"])
def test_a_program_is_measured(
    url: str, tmp_path: Path, environ: dict[str, str], raw: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP)
    command = [sys.executable, str(app), url, repr(HEADERS), repr(BODY), "", "x"]
    prices = [{"model": "sim", "input": "0", "output": "1000000", "source": "mine"}]
    ran = run_program(command, environ, run_dir=tmp_path / "run", raw=raw, prices=prices)
    out, err = capfd.readouterr()
    assert (ran.code, out, err) == (7, "done ['', 'x']\n", "")
    first, second = sorted(ran.result.sites, key=lambda site: -site.calls)
    assert [first.site, second.site] == [f"{app}:9", f"{app}:14"]
    assert (first.calls, first.ok, second.calls, second.ok) == (2, 2, 1, 1)
    assert ran.result.cost == 9
    assert ran.result.wall_s > ran.result.waited_s > 0
    records = list(ran.records())
    assert [record.status for record in records] == [Status.OK] * 3
    assert len({record.index for record in records}) == 3
    assert all(record.ttft_ns and record.ttft_ns >= 2_000_000 for record in records)
    kept = b"".join(file.read_bytes() for file in (tmp_path / "run").iterdir())
    assert KEY.encode() not in kept


def test_the_variable_is_taken_for_no_setting() -> None:
    assert not list(unknown_variables({program.ADDRESS: "x"}))


def test_a_program_that_calls_nobody(tmp_path: Path) -> None:
    ran = run_program([sys.executable, "-c", ""], os.environ, run_dir=tmp_path / "run")
    assert (ran.code, ran.result.calls, list(ran.records())) == (0, 0, [])


def test_a_program_that_is_killed(tmp_path: Path) -> None:
    code = f"import os; os.kill(os.getpid(), {signal.SIGTERM.value})"
    ran = run_program([sys.executable, "-c", code], os.environ, run_dir=tmp_path / "run")
    assert ran.code == 128 + signal.SIGTERM


def test_a_signal_goes_to_the_program(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        f"os.mkfifo({str(ready)!r} + '.new')\n"
        f"os.rename({str(ready)!r} + '.new', {str(ready)!r})\n"
        "signal.pause()\n"
    )

    def tell() -> None:
        while not ready.exists():
            os.sched_yield()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=tell, daemon=True).start()
    before = signal.getsignal(signal.SIGTERM)
    ran = run_program([sys.executable, "-c", code], os.environ, run_dir=tmp_path / "run")
    assert ran.code == 9
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no program 'no-such-thing' was found"):
        run_program(["no-such-thing"], os.environ)
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    with pytest.raises(UsageError, match="cannot be started"):
        run_program([str(script)], os.environ, run_dir=tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="run directory"):
        run_program([sys.executable], os.environ, run_dir=tmp_path / "file" / "x")
    monkeypatch.delattr("socket.AF_UNIX")
    with pytest.raises(UsageError, match="Unix sockets"):
        run_program([sys.executable], os.environ)


def test_a_call_goes_over_the_wire() -> None:
    call = Call(
        "POST", "http://h/v1/x", [("a", "b")], BODY, framed=True, hint="vllm", site=("a.py", 3)
    )
    call.take(b"one", 10, 20)
    call.take(b"two", 11)
    call.start_ns, call.sent_ns, call.eof, call.http_version = 5, 6, True, "1.1"
    call.fail(TimeoutError("slow"))
    call.end()
    other = Call("POST", "http://h", [], object(), framed=False)
    other.headers = (("c", "d"),)
    data = wire.dump(call) + wire.dump(other)

    def receive(size: int) -> bytes:
        nonlocal data
        part, data = data[:size], data[size:]
        return part

    first, second = wire.load(receive), wire.load(receive)
    assert wire.load(receive) is None
    assert first is not None
    assert second is not None
    for name in Call.__slots__:
        if name not in ("__weakref__", "takers", "asked", "connected_ns"):
            assert getattr(first, name) == getattr(call, name), name
    assert (first.asked, second.asked, second.headers) == (BODY, None, (("c", "d"),))
    data = wire.dump(call)[:-1]
    assert wire.load(receive) is None


def test_the_childs_side(url: str) -> None:
    import httpx2

    taken: list[Call] = []
    with program._taking(taken.append) as address:
        end = child.begin(address)
        httpx2.post(url, content=BODY, headers=HEADERS)
        end()
        httpx2.post(url, content=BODY, headers=HEADERS)
    assert [call.url for call in taken] == [url]


def test_a_long_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 80)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with program._taking(lambda _: None) as address:
        assert address.startswith("/tmp/lens-")
