"""Anthropic's and Mistral's own clients for Vertex AI as judges of the simulator."""

from __future__ import annotations

import pytest
from real_command import Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real


@pytest.mark.parametrize(("publisher", "reason"), [("anthropic", "end_turn"), ("mistral", "stop")])
@pytest.mark.parametrize("case", ["whole", "streamed"])
def test_an_answer(simulate: Simulate, publisher: str, reason: str, case: str) -> None:
    base_url = simulate(ttft="5ms", gap="1ms", tokens="12").base_url.removesuffix("/v1")
    pieces, ended, tokens = sdk_says("sdk_vertex.py", publisher, case, base_url)
    assert len(pieces) == (12 if case == "streamed" else 1)
    assert all(pieces)
    assert (ended, tokens) == (reason, 12)
