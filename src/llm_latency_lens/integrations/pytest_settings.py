"""What flags, variables and the ini file say to the pytest plugin."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .. import providers
from ..errors import UsageError

_USUAL_PROVIDER = "openai"
_VARIABLES = ("provider", "model", "base_url")


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom to ask, and what to do with what was measured. `own` are arguments of `Lens`."""

    own: Mapping[str, Any] = field(default_factory=dict)
    record: Path | None = None
    replay: Path | None = None
    baseline: Path | None = None
    save_baseline: Path | None = None
    allow_invalid: bool = False


def settings_of(config: pytest.Config) -> Settings:
    """A flag comes before a variable (LATENCY_LENS_MODEL), a variable before the ini file."""
    own = {name: found for name in _VARIABLES if (found := _text(config, name))}
    record = _path(config, "record")
    return Settings(
        own=own,
        record=record,
        replay=None if record else _path(config, "replay"),
        baseline=_path(config, "baseline"),
        save_baseline=_path(config, "save_baseline"),
        allow_invalid=any(
            (config.getoption("lens_allow_invalid"), config.getini("lens_allow_invalid"))
        ),
    )


def arguments(own: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Lens`: a model can be named with its provider. Raises UsageError.

    The key comes in here and not before: pytest can show what local names hold.
    """
    found = dict(own)
    if not found.get("model"):
        raise UsageError(
            "no model is named: set lens_model in pytest's ini file, LATENCY_LENS_MODEL, or"
            " --lens-model"
        )
    head, slash, rest = str(found["model"]).partition("/")
    if slash and "provider" not in found and _is_provider(head):
        found["provider"], found["model"] = head, rest
    found.setdefault("provider", _USUAL_PROVIDER)
    if "api_key" not in found and os.environ.get("LATENCY_LENS_API_KEY"):
        found["api_key"] = os.environ["LATENCY_LENS_API_KEY"]
    return found


def _is_provider(name: str) -> bool:
    try:
        providers.get(name)
    except UsageError:
        return False
    return True


def _text(config: pytest.Config, name: str) -> str | None:
    flag: str | None = config.getoption(f"lens_{name}")
    variable = os.environ.get(f"LATENCY_LENS_{name.upper()}")
    return flag or variable or config.getini(f"lens_{name}") or None


def _path(config: pytest.Config, name: str) -> Path | None:
    if flag := config.getoption(f"lens_{name}"):
        return config.invocation_params.dir / str(flag)
    if name in ("record", "save_baseline"):  # what writes is asked for each time
        return None
    named = str(config.getini(f"lens_{name}"))
    return config.rootpath / named if named else None
