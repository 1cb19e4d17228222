"""Through nginx with TLS and nghttpx with HTTP/2, as a server in the field would stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import real_servers
from real_command import Certificate, Command, Simulate, within_three

pytestmark = pytest.mark.real


@pytest.fixture
def simulated(simulate: Simulate, certificate: Certificate, tmp_path: Path) -> Iterator[str]:
    """The HTTPS address of nginx in front of a simulator."""
    upstream = simulate(ttft="30ms", gap="5ms", tokens="20").base_url
    folder = tmp_path / "nginx"
    folder.mkdir()
    with real_servers.nginx(upstream, certificate.pem, folder) as found:
        yield found.url


def test_a_trusted_certificate(simulated: str, certificate: Certificate, lens: Command) -> None:
    def check() -> None:
        ran = lens(
            *("profile", "openai/sim", "Hi", "--base-url", simulated),
            *("--ca-file", str(certificate.ca)),
        )
        assert ran.code == 0, ran.err
        record = ran.record
        assert record["connection"]["tls_ms"] > 0
        assert record["connection"]["tls_version"] == "TLSv1.3"
        assert record["connection"]["http_version"] == "1.1"
        assert record["clock_source"] == "kernel"
        assert len(record["events"]) == 20
        assert record["ttft_ms"] == pytest.approx(30, abs=5)
        assert record["tpot_ms"] == pytest.approx(5, rel=0.1)

    within_three(check)


def test_a_certificate_that_nobody_vouches_for(simulated: str, lens: Command) -> None:
    ran = lens("profile", "openai/sim", "Hi", "--base-url", simulated)
    assert ran.code == 3
    assert ran.record["error"]["stage"] == "tls"
    assert "--ca-file" in ran.record["error"]["message"]
    assert "Traceback" not in ran.err


def test_insecure_trusts_anyone(simulated: str, lens: Command) -> None:
    ran = lens("profile", "openai/sim", "Hi", "--base-url", simulated, "--insecure")
    assert ran.code == 0, ran.err
    assert ran.record["connection"]["tls_ms"] > 0


@pytest.mark.parametrize("flags", [(), ("--tls-resume",)])
def test_a_handshake_takes_up_a_session_only_when_asked_to(
    simulated: str, certificate: Certificate, lens: Command, flags: tuple[str, ...]
) -> None:
    way = ("--base-url", simulated, "--ca-file", str(certificate.ca), *flags)
    ran = lens("profile", "openai/sim", "Hi", *way)
    assert ran.code == 0, ran.err
    assert ran.record["connection"]["tls_resumed"] is bool(flags)
    ran = lens(
        *("benchmark", "openai/sim", "Hi", "--requests", "12", "--connections", "cold"),
        *(*way, "--quiet"),
    )
    assert ran.code == 0, ran.err
    assert {record["connection"]["tls_resumed"] for record in ran.records} == {bool(flags)}
    assert all(record["connection"]["tls_ms"] > 0 for record in ran.records)


def test_a_resumed_handshake_costs_less(
    simulated: str, certificate: Certificate, lens: Command
) -> None:
    """The certificate is neither sent nor checked: on one machine, that is most of the time."""

    def tls_ms(*flags: str) -> float:
        ran = lens(
            *("benchmark", "openai/sim", "Hi", "--base-url", simulated, "--requests", "20"),
            *("--ca-file", str(certificate.ca), "--connections", "cold", "--quiet", *flags),
        )
        return float(ran.result["metrics"]["tls_ms"]["p50"])

    assert tls_ms("--tls-resume") < tls_ms()


def test_warm_connections_have_their_handshake_behind_them(
    simulated: str, certificate: Certificate, lens: Command
) -> None:
    def check() -> None:
        ran = lens(
            *("benchmark", "openai/sim", "Hi", "--base-url", simulated, "--requests", "40"),
            *("--concurrency", "8", "--ca-file", str(certificate.ca), "--quiet"),
        )
        assert ran.code == 0, ran.err
        assert ran.result["requests"]["ok"] == 40
        assert sum(record["connection"]["reused"] for record in ran.records) >= 32
        assert ran.result["metrics"]["ttft_ms"]["p50"] == pytest.approx(30, abs=5)

    within_three(check)


def test_a_real_model_behind_tls(
    proxied_llama: real_servers.Nginx, certificate: Certificate, lens: Command
) -> None:
    def check() -> None:
        ran = lens(
            *("profile", "llamacpp/smollm2", "Tell me about bridges.", "--max-tokens", "24"),
            *("--base-url", proxied_llama.url, "--ca-file", str(certificate.ca)),
        )
        assert ran.code == 0, ran.err
        record = ran.record
        assert record["usage"]["output"] == 24
        told_ms = record["hints_ms"]["predicted_per_token_ms"]
        assert record["tpot_ms"] == pytest.approx(told_ms, rel=0.03)

    within_three(check)


def test_a_server_that_speaks_http2_alone(
    simulate: Simulate, certificate: Certificate, lens: Command, tmp_path: Path
) -> None:
    upstream = simulate(ttft="30ms", tokens="5").base_url
    with real_servers.nghttpx(upstream, certificate.pem, tmp_path) as url:
        ran = lens(
            *("benchmark", "openai/sim", "Hi", "--base-url", url, "--requests", "1"),
            *("--ca-file", str(certificate.ca), "--quiet"),
        )
    assert ran.code == 3
    assert ran.record["error"]["kind"] in ("network", "protocol")
    assert "Traceback" not in ran.err
    assert ran.error.startswith("latency-lens: error: no request succeeded")


def test_http2_without_tls(proxied_llama: real_servers.Nginx, lens: Command) -> None:
    ran = lens(
        *("benchmark", "openai/sim", "Hi", "--base-url", proxied_llama.h2c_url),
        *("--requests", "1", "--quiet"),
    )
    assert ran.code == 3
    assert ran.record["error"]["kind"] == "protocol"
    assert "HTTP/1.1" in ran.error
