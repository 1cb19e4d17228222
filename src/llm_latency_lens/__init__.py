"""LLM-Latency-Lens: the measuring instrument for LLM APIs.

    from llm_latency_lens import Lens

    lens = Lens(provider="openai", model="gpt-4o-mini")
    print(lens.profile("Say hello").ttft_ms)

The names below are the public ones; each is loaded at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .decide.decision import Decision
    from .decide.gate import Gate
    from .engine.load import Load
    from .engine.plan import Progress
    from .errors import ConfigError, LensError, RunError, StoreError, UsageError
    from .experiments.calibrate import calibrate
    from .experiments.coldstart import Cooling
    from .experiments.compare import Contest, acompare, compare
    from .experiments.growing import Choice
    from .experiments.live import LiveRun
    from .experiments.optimize import aoptimize, optimize
    from .history import History
    from .integrations.sdk.watching import Seen, instrument, uninstrument, watch
    from .lens import Lens, export, load, load_trial, send
    from .measured import Benchmark, Profile, Trial
    from .metrics.coldstart import Coldstart
    from .metrics.comparison import Comparison
    from .metrics.result import Result
    from .pricing.estimate import Estimate
    from .record import EventKind, Record, RequestError, Status, Usage
    from .report.html.plot import Plot
    from .request import Prompt
    from .timeline import ErrorKind, Stage
    from .transport.settings import Timeouts, Tls

_HOMES = {
    "Benchmark": "measured",
    "Choice": "experiments.growing",
    "Coldstart": "metrics.coldstart",
    "Comparison": "metrics.comparison",
    "ConfigError": "errors",
    "Contest": "experiments.compare",
    "Cooling": "experiments.coldstart",
    "Decision": "decide.decision",
    "ErrorKind": "timeline",
    "Estimate": "pricing.estimate",
    "EventKind": "record",
    "Gate": "decide.gate",
    "History": "history",
    "Lens": "lens",
    "LensError": "errors",
    "LiveRun": "experiments.live",
    "Load": "engine.load",
    "Plot": "report.html.plot",
    "Profile": "measured",
    "Progress": "engine.plan",
    "Prompt": "request",
    "Record": "record",
    "RequestError": "record",
    "Result": "metrics.result",
    "RunError": "errors",
    "Seen": "integrations.sdk.watching",
    "Stage": "timeline",
    "Status": "record",
    "StoreError": "errors",
    "Timeouts": "transport.settings",
    "Tls": "transport.settings",
    "Trial": "measured",
    "Usage": "record",
    "UsageError": "errors",
    "acompare": "experiments.compare",
    "aoptimize": "experiments.optimize",
    "calibrate": "experiments.calibrate",
    "compare": "experiments.compare",
    "export": "lens",
    "instrument": "integrations.sdk.watching",
    "load": "lens",
    "load_trial": "lens",
    "optimize": "experiments.optimize",
    "send": "lens",
    "uninstrument": "integrations.sdk.watching",
    "watch": "integrations.sdk.watching",
}

__all__ = [
    "Benchmark",
    "Choice",
    "Coldstart",
    "Comparison",
    "ConfigError",
    "Contest",
    "Cooling",
    "Decision",
    "ErrorKind",
    "Estimate",
    "EventKind",
    "Gate",
    "History",
    "Lens",
    "LensError",
    "LiveRun",
    "Load",
    "Plot",
    "Profile",
    "Progress",
    "Prompt",
    "Record",
    "RequestError",
    "Result",
    "RunError",
    "Seen",
    "Stage",
    "Status",
    "StoreError",
    "Timeouts",
    "Tls",
    "Trial",
    "Usage",
    "UsageError",
    "__version__",
    "acompare",
    "aoptimize",
    "calibrate",
    "compare",
    "export",
    "instrument",
    "load",
    "load_trial",
    "optimize",
    "send",
    "uninstrument",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
