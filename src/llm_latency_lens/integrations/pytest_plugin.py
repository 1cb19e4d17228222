"""The pytest plugin: a fixture that measures, a marker that holds a test to limits.

pytest loads this module in every session of an environment that has the package, so that it imports
nothing and does nothing until a test asks for it; `pytest_lens` and `pytest_limits` are the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .pytest_lens import TestLens

MARK = "latency"
_LIMITS = "latency_lens_limits"

_SETTINGS = {
    "provider": ("NAME", "whose API the lens fixture speaks"),
    "model": ("[PROVIDER/]MODEL", "which model it asks"),
    "base-url": ("URL", "where the API is"),
    "replay": ("DIR", "take answers from recordings in DIR: nothing is sent, no key is needed"),
    "baseline": ("PATH", "hold each marked test against its baseline in the folder PATH"),
}
"""Flags that are ini settings too; of the ini file, paths begin at its folder."""
_FLAGS = {
    "record": ("DIR", "record what the lens fixture measures, for --lens-replay DIR"),
    "save-baseline": ("DIR", "save a baseline of each marked test that passes"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("latency-lens", "latency of LLM APIs (latency-lens)")
    for name, (metavar, text) in {**_SETTINGS, **_FLAGS}.items():
        group.addoption(f"--lens-{name}", metavar=metavar, default=None, help=text)
    allow = "judge tests whose figures are invalid all the same"
    group.addoption("--lens-allow-invalid", action="store_true", help=allow)
    parser.addini("lens_allow_invalid", allow, type="bool", default=False)
    for name, (_, text) in _SETTINGS.items():
        parser.addini(f"lens_{name.replace('-', '_')}", text, default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARK}(*objectives, repeat=1, allow_regression=(), allow_invalid=False): run the test"
        " `repeat` times and hold what its `lens` fixture measured to objectives such as"
        " 'ttft_ms.p95<800'",
    )
    if config.getoption("lens_record") and config.getoption("lens_replay"):
        raise pytest.UsageError("--lens-record and --lens-replay exclude each other")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not any(item.get_closest_marker(MARK) for item in items):
        return
    from .pytest_limits import Limiter

    if not config.pluginmanager.has_plugin(_LIMITS):
        config.pluginmanager.register(Limiter(config, MARK), _LIMITS)


@pytest.fixture
def lens(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestLens]:
    """Measures the model that flags, variables or the ini file name; see `TestLens`."""
    from .pytest_lens import lens_of
    from .pytest_summary import properties

    def temporary() -> Path:
        return tmp_path_factory.mktemp("lens")

    made = lens_of(request.config, request.node, temporary)
    yield made
    request.node.user_properties.extend(properties(made.measured))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found]
    ended = [report for report in reports if getattr(report, "when", None) == "teardown"]
    if any(report.user_properties for report in ended):
        from .pytest_summary import show

        show(ended, terminalreporter)
