"""Tests against real servers. They run where the parts are found and no other test shares the
machine; `--require-real` makes anything else a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import real_servers
import trustme
from real_command import Certificate, Command, Simulate
from real_parts import missing

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import RunningSimulator, start_simulator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-real",
        action="store_true",
        help="fail, where it would be skipped, a test against a real server",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    real = [item for item in items if item.get_closest_marker("real")]
    if real and not _required(config) and (why := _why_not()):
        for item in real:
            item.add_marker(pytest.mark.skip(reason=f"real servers: {why} (make test-real)"))


def _required(config: pytest.Config) -> bool:
    return bool(config.getoption("--require-real", default=False))


def _why_not() -> str | None:
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return "they are timed and want the machine alone"
    absent = missing()
    return f"{', '.join(absent)} not installed" if absent else None


@pytest.fixture(scope="session", autouse=True)
def _real_parts(request: pytest.FixtureRequest) -> None:
    if _required(request.config) and (absent := missing()):
        pytest.fail(f"not installed: {', '.join(absent)} (python tests/real/install.py)")


@pytest.fixture
def lens(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of llama.cpp with a real model."""
    with real_servers.llama(tmp_path_factory.mktemp("llama")) as base_url:
        yield base_url


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Starts simulators that run until the test has ended."""
    started = []

    def start(**options: str) -> RunningSimulator:
        context = start_simulator(SimConfig.from_options(**options))
        started.append(context)
        return context.__enter__()

    yield start
    for context in started:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("certificate")
    made = Certificate(folder / "server.pem", folder / "ca.pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(made.ca)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(made.pem)
    return made


@pytest.fixture(scope="session")
def proxied_llama(
    llama: str, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[real_servers.Nginx]:
    """nginx in front of llama.cpp."""
    with real_servers.nginx(llama, certificate.pem, tmp_path_factory.mktemp("nginx")) as found:
        yield found
