"""The proxy between real programs and real servers: nothing changes for either of them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from real_command import COMMAND, Certificate, Command, Simulate, within_three
from real_servers import Nginx
from test_lens_sdks import KEY, QUICK, SENT, address_of, says, timeless
from test_openai_sdk import ask

pytestmark = pytest.mark.real

CASES = ("whole", "streamed", "chunks", "tools", "models", "embeddings")


class Through:
    """A proxy that runs; when it has ended, what it came to."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "calls.json").read_text())
        return found

    @property
    def records(self) -> list[dict[str, Any]]:
        return list(map(json.loads, (self.folder / "calls.jsonl").read_text().splitlines()))


@contextmanager
def proxying(upstream: str, folder: Path, *options: str) -> Iterator[Through]:
    """`latency-lens proxy` as a person starts and ends it."""
    command = [
        *(COMMAND, "proxy", upstream, "--listen", "127.0.0.1:0", "--run-dir", folder / "run"),
        *("--output", folder / "calls.json", "--records", folder / "calls.jsonl", *options),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.match(r"Calls to (http://\S+) go to", said)
        assert found is not None, said
        try:
            yield Through(found[1], folder)
        finally:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    for file in (folder / "run").iterdir():
        assert KEY.encode() not in file.read_bytes()


def test_openais_sdk_gets_the_same_objects(simulate: Simulate, tmp_path: Path) -> None:
    plain, measured = (simulate(**QUICK).base_url for _ in range(2))
    with proxying(address_of(measured), tmp_path) as through:
        for case in CASES:
            direct, proxied = ask(case, plain), ask(case, f"{through.address}/v1")
            assert timeless(proxied) == timeless(direct), case
    assert (through.result["calls"], through.result["others"]) == (6, 1)
    assert [record["status"] for record in through.records] == ["ok"] * 6


@pytest.mark.parametrize("sdk", SENT)
def test_each_sdk_gets_the_same_objects(simulate: Simulate, tmp_path: Path, sdk: str) -> None:
    plain, measured = (address_of(simulate(**QUICK).base_url) for _ in range(2))
    with proxying(measured, tmp_path) as through:
        found = says(sdk, through.address, plain)
    assert timeless(found["watched"]) == timeless(found["plain"])
    assert [record["provider"] for record in through.records] == SENT[sdk]
    for mine, its in zip(through.records, found["records"], strict=True):
        assert (mine["status"], mine["clock_source"]) == ("ok", its["clock"])
        assert len(mine["events"]) == its["events"]


def test_an_sdk_tries_again(simulate: Simulate, tmp_path: Path) -> None:
    plain, measured = (
        address_of(simulate(**QUICK, faults="429=10ms:#0").base_url) for _ in range(2)
    )
    with proxying(measured, tmp_path) as through:
        says("openai", through.address, plain)
    assert [record["attempt"] for record in through.records] == [0, 1, 0, 0, 0]
    (chat, *_) = through.result["routes"]
    assert (chat["attempts"] - chat["calls"], chat["errors"]) == (1, {"rate_limit": 1})


def test_a_real_model(llama: str, lens: Command, tmp_path: Path) -> None:
    """What the client sees is what the proxy sees, and some microseconds."""

    def check() -> None:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        with proxying(address_of(llama), folder, "--provider", "llamacpp") as through:
            base_url = f"{through.address}/v1"
            options = ("--provider", "llamacpp", "--api-key", "none", "--max-tokens", "8")
            ran = lens("benchmark", "m", "Hi", "--base-url", base_url, "--requests", "6", *options)
        assert ran.code == 0, ran.err
        (route,) = through.result["routes"]
        assert (route["provider"], route["ok"]) == ("llamacpp", 6)
        assert through.result["clock_source"] == "kernel"
        later = []
        for mine, its in zip(through.records, ran.records, strict=True):
            assert len(mine["events"]) == len(its["events"])
            assert mine["usage"] == its["usage"]
            later.append(its["marks_ms"]["first_token"] - mine["marks_ms"]["first_token"])
        # The least of some, for whatever else runs here can only add to it.
        assert 0 < min(later) < 1

    within_three(check)


def test_through_tls(
    proxied_llama: Nginx, certificate: Certificate, lens: Command, tmp_path: Path
) -> None:
    """nginx with TLS before the real model; without its CA the proxy does not begin."""
    origin = address_of(proxied_llama.url)
    with proxying(origin, tmp_path, "--ca-file", str(certificate.ca)) as through:
        answer = ask("chunks", f"{through.address}/v1")
    assert answer["chunks"]
    (record,) = through.records
    assert (record["status"], record["clock_source"]) == ("ok", "kernel")
    assert record["connection"]["tls_version"] == "TLSv1.3"
    refused = lens("proxy", origin, "--listen", "127.0.0.1:0")
    assert refused.code == 3
    assert "is not trusted" in refused.error
