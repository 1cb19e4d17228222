"""The one door: what the package shows, and that each name is where it is said to be."""

from __future__ import annotations

import subprocess
import sys

import pytest

import llm_latency_lens


def test_every_public_name_loads() -> None:
    for name in llm_latency_lens.__all__:
        assert getattr(llm_latency_lens, name) is not None
    assert dir(llm_latency_lens) == sorted(llm_latency_lens.__all__)
    assert len(llm_latency_lens.__all__) <= 50


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Lense'"):
        llm_latency_lens.Lense  # noqa: B018


def test_import_is_light() -> None:
    code = (
        "import sys, llm_latency_lens\n"
        "print([m for m in ('numpy', 'asyncio', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
