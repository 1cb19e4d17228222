"""Whole runs over TLS: whether their handshakes take up a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from llm_latency_lens import Lens
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import RunningSimulator, start_simulator
from llm_latency_lens.transport import Tls


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(path / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(path / "cert.pem"))
    return path


@pytest.fixture(scope="module")
def simulator(folder: Path) -> Iterator[RunningSimulator]:
    config = SimConfig.from_options(ttft="2ms", gap="1ms", tokens="3")
    files = (str(folder / "cert.pem"), str(folder / "key.pem"))
    with start_simulator(config, tls=files) as running:
        yield running


@pytest.mark.parametrize("resume", [True, False])
def test_cold_connections_of_a_run(
    simulator: RunningSimulator, folder: Path, tmp_path: Path, resume: bool
) -> None:
    lens = Lens(
        model="sim",
        base_url=simulator.base_url,
        api_key="none",
        proxy=None,
        tls=Tls(ca_file=str(folder / "ca.pem"), resume=resume),
        run_dir=tmp_path,
    )
    profile = lens.profile("hi")
    assert profile.record.connection.tls_resumed is resume
    benchmark = lens.benchmark("hi", requests=3, connections="cold")
    assert [found.connection.tls_resumed for found in benchmark.records()] == [resume] * 3
    assert benchmark.result.config["tls_resume"] is resume
