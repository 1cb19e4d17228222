"""What every test can rely on: no proxy, no home folder of the user, no haste of hypothesis."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# In CI the examples are the same every time: a new one found there would fail what did not change.
settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("here")

for _scheme in ("http", "https", "all", "no"):
    for _name in (f"{_scheme}_proxy", f"{_scheme}_proxy".upper()):
        os.environ.pop(_name, None)
os.environ.pop("COLUMNS", None)  # xdist's workers have one


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENCY_LENS_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def uncounted() -> Iterator[None]:
    """Coverage looks away: counting lines makes what repeats itself thousands of times take three
    times as long, and the same lines are counted in other tests."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)
