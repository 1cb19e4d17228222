"""A world whose streams are kept and whose server is a simulator in a process of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_shell import Shell

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("LATENCY_LENS_HOME", str(tmp_path / "home"))
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return Shell()


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """The base URL of a quick simulated provider."""
    options = {"ttft": "10ms", "gap": "1ms", "tokens": "8"}
    with start_simulator(SimConfig.from_options(**options)) as running:
        yield running.base_url


@pytest.fixture
def refusing() -> Callable[[], str]:
    """The address of a port on which nobody listens."""
    import socket

    def address() -> str:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return f"http://127.0.0.1:{server.getsockname()[1]}/v1"

    return address
