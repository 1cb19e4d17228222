"""Anthropic's and Mistral's models at Vertex AI, as they are sent and as our decoder reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from llm_latency_lens.providers import PROVIDERS
from llm_latency_lens.record import Status
from llm_latency_lens.request import Prompt, Target
from llm_latency_lens.testing.vertex_wire import ANTHROPIC, MISTRAL, read_anthropic, read_mistral
from llm_latency_lens.testing.wire import Ask, Asked, Wire, refuse
from llm_latency_lens.testing.wires import wire_of

PLACE = "/v1/projects/p/locations/eu/publishers"
MODELS = {"vertex-anthropic": "claude-sim", "vertex-mistral": "mistral-sim"}
BOTH = pytest.mark.parametrize("wire", [ANTHROPIC, MISTRAL], ids=lambda wire: wire.name)


def ask_of(wire: Wire, **more: Any) -> Ask:
    return replace(Ask(MODELS[wire.name], prompt_tokens=5, include_usage=True), **more)


@BOTH
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_our_decoder_reads_the_plan(wire: Wire, options: dict[str, str], stream: bool) -> None:
    record = check_reads_back(wire, "vertex", ask_of(wire, stream=stream), **options)
    assert record.response_model == MODELS[wire.name]


@BOTH
@pytest.mark.parametrize("fault", BROKEN)
def test_our_decoder_sees_each_fault(wire: Wire, fault: str) -> None:
    _, record = read_back(wire, "vertex", ask_of(wire), faults=f"{fault}:always")
    assert record.status is Status.FAILED


@BOTH
def test_refusals_are_google_s(wire: Wire) -> None:
    assert Response(refuse(wire, 403)).json["error"]["status"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "wire"), [("claude-sim", ANTHROPIC), ("mistralai/mistral-sim", MISTRAL)]
)
def test_what_we_ask_is_understood(model: str, wire: Wire, stream: bool) -> None:
    target = Target("vertex", model, "http://h", max_tokens=7, stream=stream, project="p")
    request = PROVIDERS["vertex"].build(target, Prompt.of("x" * 40))
    path = request.url.removeprefix("http://h")
    asked = Asked("POST", path, body=request.body, created=3)
    assert wire_of(asked) is wire
    found = wire.read(asked)
    assert found == Ask(model.rpartition("/")[2], stream, 10, 7, 3, include_usage=True)


@pytest.mark.parametrize(
    ("path", "wire"),
    [
        (f"{PLACE}/anthropic/models/claude@1:rawPredict", ANTHROPIC),
        (f"{PLACE}/mistralai/models/m:streamRawPredict", MISTRAL),
        (f"{PLACE}/ai21/models/m:rawPredict", None),
        (f"{PLACE}/anthropic/models/count-tokens", None),
    ],
)
def test_its_paths(path: str, wire: Wire | None) -> None:
    assert wire_of(Asked("POST", path)) is wire
    assert wire_of(Asked("GET", path)) is None


def test_bad_bodies_are_refused() -> None:
    for read in (read_anthropic, read_mistral):
        with pytest.raises(ValueError, match=r"(?i)body"):
            read(Asked("POST", f"{PLACE}/x/models/m:rawPredict", body=b"{"))
    body = json.dumps({"messages": [], "max_tokens": 0}).encode()
    with pytest.raises(ValueError, match="max_tokens"):
        read_anthropic(Asked("POST", f"{PLACE}/anthropic/models/m:rawPredict", body=body))
