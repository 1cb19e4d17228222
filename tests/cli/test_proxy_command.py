"""`latency-lens proxy`: what it asks for, prints and writes."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import jsonschema
import msgspec
import pytest
from command_shell import Shell

from llm_latency_lens.cli import proxy as proxy_module
from llm_latency_lens.cli.progress import Display
from llm_latency_lens.metrics import proxied as form
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.metrics.proxied import Added, Delay, Proxied, Route, Times
from llm_latency_lens.metrics.routes import proxied_of
from llm_latency_lens.report import proxied

DOCS = Path(__file__).parents[2] / "docs" / "reference"
TIMES = Times(count=3, p50=412.3, p95=500, p99=510, max=900)
ROUTE = Route(
    provider="openai",
    model="gpt-4o-mini",
    calls=3,
    attempts=4,
    ok=3,
    failed=1,
    cancelled=0,
    input_tokens=10,
    output_tokens=1234,
    cost=Decimal("0.0031"),
    unpriced=0,
    ttft_ms=TIMES,
    itl_ms=TIMES,
    e2e_ms=TIMES,
    errors={"rate_limit": 1},
)
OTHER = msgspec.structs.replace(
    ROUTE,
    provider="bedrock",
    model="a.very.long.name.of.a.model-that-fills-a-line:0",
    attempts=3,
    output_tokens=0,
    cost=None,
    unpriced=3,
    ttft_ms=msgspec.UNSET,
    itl_ms=msgspec.UNSET,
    e2e_ms=msgspec.UNSET,
    errors={},
)
FOUND = Proxied(
    name="",
    upstream="https://api.example",
    wall_s=312,
    calls=6,
    others=3,
    unkept=1,
    cost=Decimal("0.0031"),
    unpriced=3,
    clock_source="mixed",
    added=Added(
        request_ms=Delay(count=4, p50=0.072, p99=0.217, max=0.4),
        answer_ms=Delay(count=99, p50=0.07, p99=0.21, max=2.1),
        waited=2,
    ),
    routes=[ROUTE, OTHER],
)
PRINTED = """\
proxy  6 calls · for https://api.example · in 5 min 12 s · $0.0031

  model                            calls  TTFT p50       p95   ITL p99   E2E p50   tokens       cost
  gpt-4o-mini                          3    412 ms    500 ms    510 ms    412 ms    1,234    $0.0031
    openai · 1 rate_limit, 1 retry
  a.very.long.name.of.a.model-that-fills-a-line:0
                                       3         -         -         -         -        -          -
    bedrock

• the proxy added 72 us (p50) and 217 us (p99) to a request, 70 us (p50) and 210 us (p99) to a piece
  of an answer
• 2 pieces of answers waited for a client that was slow to read
• 3 requests asked no model and went through unmeasured
• 1 call went through and could not be kept
• no cost is known for 3 calls
• some of the stamps are the program's own, not the kernel's: taken right after each read
"""


def test_the_table() -> None:
    out = io.StringIO()
    proxied(FOUND, out)
    assert out.getvalue() == PRINTED


def test_the_json_has_its_schema() -> None:
    written = json.loads((DOCS / "proxy.schema.json").read_text())
    assert written == form.json_schema(), "run python tests/metrics/write_schemas.py"
    jsonschema.validate(json.loads(form.encode(FOUND)), written)


def test_a_run_that_was_killed() -> None:
    found = proxied_of([], Context(id="x", config={"upstream": "http://x"}))
    assert (found.calls, found.cost, found.added, found.wall_s) == (0, None, Added(), 0)


def test_a_proxy_that_nobody_uses(shell: Shell, simulator: str, tmp_path: Path) -> None:
    origin = simulator.removesuffix("/v1")
    place = ("--listen", "127.0.0.1:0", "--duration", "50ms", "--run-dir", str(tmp_path / "run"))
    said = shell("proxy", origin, *place)
    assert said.code == 0
    assert said.err.startswith("Calls to http://127.0.0.1:")
    assert said.err.endswith(f" go to {origin}; Ctrl-C ends this, with a table.\n")
    first, _, second, _, last = said.out.splitlines()
    assert first.startswith(f"proxy  0 calls · for {origin} · in ")
    assert second == "• no call to a language model came"
    assert last == f"Run kept in   {tmp_path / 'run'}"
    again = shell("report", str(tmp_path / "run"))
    assert again.out.splitlines()[0] == first


def test_its_files(shell: Shell, simulator: str, tmp_path: Path) -> None:
    records, run = str(tmp_path / "calls.jsonl"), str(tmp_path / "run")
    options = ("--output", "-", "--records", records, "--run-dir", run, "--quiet")
    place = ("--listen", "[::1]:0", "--duration", "50ms", "--name", "mine")
    said = shell("proxy", "--upstream", simulator.removesuffix("/v1"), *place, *options)
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert (found["schema"], found["name"], found["routes"]) == ("latency-lens.proxy/1", "mine", [])
    assert Path(records).read_text() == ""


def test_on_a_terminal_it_says_how_it_stands(
    shell: Shell, simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown: list[object] = []
    monkeypatch.setattr(proxy_module, "_MANY", 0)
    monkeypatch.setattr(Display, "__call__", lambda _, now: shown.append(now))
    monkeypatch.setattr("command_shell.io.StringIO", Terminal)
    place = ("--listen", "127.0.0.1:0", "--duration", "600ms", "--run-dir", str(tmp_path))
    said = shell("proxy", simulator.removesuffix("/v1"), *place)
    assert said.code == 0
    assert shown
    assert said.err.endswith("Summing up 0 calls; the run is kept already.\n")


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((), "proxy takes the address of the API, as in: proxy https://api.openai.com"),
        (("api.openai.com",), "--upstream must begin with http:// or https:// and a host: https"),
        (("https://sk-1@x",), "--upstream is an address without user, password and query"),
        (("http://x", "--listen", ":8800"), "--listen must be HOST:PORT or PORT, such as"),
        (("http://x", "--listen", "::1:x"), "--listen must be HOST:PORT or PORT"),
        (("http://x", "--listen", "127.0.0.1:70000"), "--listen must be HOST:PORT or PORT"),
        (("http://x", "--provider", "opnai"), "no provider named 'opnai': did you mean openai"),
        (("http://x", "--key", "k.pem"), "--key needs --cert"),
        (("http://x", "--insecure", "--ca-file", "x"), "--insecure and --ca-file exclude"),
        (("http://x", "--output", "-", "--records", "-"), "--output - and --records -"),
        (("http://x", "--output", "/nowhere/x"), "cannot write /nowhere/x"),
        (("http://x", "--prices", "/nowhere.toml"), "/nowhere.toml"),
        (("http://x", "--stream-to", "ftp://x"), "ftp"),
        (("http://x", "--raw", "half"), "--raw must be full, redacted or off, not 'half'"),
    ],
)
def test_wrong_usage(shell: Shell, args: tuple[str, ...], error: str) -> None:
    said = shell("proxy", *args)
    assert said.code == 2
    assert error in said.err
    assert said.err.count("\n") == 1
    assert "sk-1" not in said.err


def test_an_upstream_that_is_not_there(shell: Shell, refusing: Callable[[], str]) -> None:
    origin = refusing().removesuffix("/v1")
    said = shell("proxy", origin, "--listen", "127.0.0.1:0")
    assert said.code == 3
    assert said.err == (
        f"latency-lens: error: --upstream {origin}: no connection to"
        f" {origin.removeprefix('http://')}: connection refused (is the server running there?)\n"
    )


def test_a_port_in_use(shell: Shell, simulator: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        said = shell("proxy", simulator, "--listen", place)
    assert (said.code, said.err) == (
        2,
        f"latency-lens: error: {place} is in use: --listen names another address\n",
    )
