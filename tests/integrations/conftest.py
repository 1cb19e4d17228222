"""Nothing here shares a socket with another test's loop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call sites are told from where the program was started."""
    assert os.path.isdir(Path(__file__).parents[2])
    monkeypatch.chdir(Path(__file__).parents[2])
