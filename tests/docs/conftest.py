"""A place to run examples in: a folder with the files that they name, and a model to ask."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_examples import ROOT, Place, shorter

from llm_latency_lens import Lens
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator


@pytest.fixture(scope="session")
def model() -> Iterator[str]:
    """The base URL of a fast simulated model."""
    config = SimConfig.from_options(ttft="3ms", gap="500us", tokens="6")
    with start_simulator(config) as simulator:
        yield simulator.base_url


@pytest.fixture
def place(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder with prompts in it, and a run that was made before."""
    home = tmp_path / "home"
    monkeypatch.setenv("LATENCY_LENS_HOME", str(home))
    for file in filter(Path.is_file, (ROOT / "examples").iterdir()):
        (tmp_path / file.name).write_text(shorter(file.read_text(), model))
    (tmp_path / "prompts.txt").write_text("Say hello\nSay goodbye\n")
    Lens(model="sim", base_url=model, api_key="none").benchmark("Hi", requests=2)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OPENAI_BASE_URL": model,
        "OPENAI_API_KEY": "none",
        "INFLUX_TOKEN": "none",
        "MONITOR_TOKEN": "token-of-the-monitor",
        "SLACK_URL": "https://hooks.slack.com/services/T000/B000/XXXX",
        "PAGER_SECRET": "whsec_c2VjcmV0LWtleQ==",
        "STAGING_KEY": "none",
        "LATENCY_LENS_ALLOW_INVALID": "yes",  # a machine that runs tests is a busy one
        "OUT": str(tmp_path),
    }
    return Place(tmp_path, model, environment)
