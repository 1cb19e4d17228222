"""The one door: what the package shows, and that each name is where it is said to be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import llm_latency_lens

ROOT = Path(__file__).parents[1]


def test_every_public_name_loads() -> None:
    for name in llm_latency_lens.__all__:
        assert getattr(llm_latency_lens, name) is not None
    assert dir(llm_latency_lens) == sorted(llm_latency_lens.__all__)
    assert len(llm_latency_lens.__all__) <= 50


def test_the_reference_has_every_public_name() -> None:
    """Under the module in which it is kept."""
    page = (ROOT / "docs/reference/python.md").read_text()
    listed = set(re.findall(r"^::: (\S+)$", page, flags=re.M))
    homes = {f"llm_latency_lens.{home}.{name}" for name, home in llm_latency_lens._HOMES.items()}
    assert homes <= listed


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Lense'"):
        llm_latency_lens.Lense  # noqa: B018


def test_import_is_light() -> None:
    code = (
        "import sys, llm_latency_lens\n"
        "print([m for m in ('numpy', 'asyncio', 'rich') if m in sys.modules])\n"
        "from llm_latency_lens import Lens, LiveRun, compare, load\n"
        "heavy = ('numpy', 'rich', 'pyarrow', 'pandas', 'polars', 'duckdb', 'vl_convert')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]
