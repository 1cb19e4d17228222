"""Decoding every wire format: CPU time per event of an answer as the simulator writes it.

Each provider's own request goes to the simulator's own wire, and the answer to the provider's own
decoder, one event a read. The baseline is the same as for OpenAI's chat completions: `json.loads`
of that many events' JSON. What an event may cost is 10 us, and 20 us in AWS's binary frames.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from llm_latency_lens.providers import PROVIDERS, Provider, decode
from llm_latency_lens.request import Prompt, Secret, Target
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.wire import Asked, planned
from llm_latency_lens.testing.wires import wire_of
from llm_latency_lens.timeline import Timeline

from .decode import cpu_us

EVENTS = 2000
LIMIT_US = 10.0
LIMIT_BINARY_US = 20.0
_MODELS = {"bedrock-invoke": "anthropic.claude-3-haiku-20240307-v1:0"}
_ROUNDS = 10


def run() -> list[dict[str, Any]]:
    """One row for each provider whose format is not that of another one above it."""
    rows, seen = [], set()
    for provider in PROVIDERS.values():
        timeline = capture(provider)
        if timeline is not None and provider.decode not in seen:
            seen.add(provider.decode)
            rows.append(_row(provider.name, timeline))
    return rows


def capture(provider: Provider) -> Timeline | None:
    """A stream of the provider's format; None where the simulator does not speak it."""
    model = _MODELS.get(provider.name, "sim")
    base_url = "http://127.0.0.1" + ("/v1" if provider.base_url.endswith("/v1") else "")
    target = Target(
        provider.name, model, base_url, Secret("sk-none"), region="us-east-1", project="sim"
    )
    request = provider.build(target, Prompt.of("Say hello"))
    parts = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers}
    asked = Asked(request.method, parts.path, parts.query, headers, request.body)
    wire = wire_of(asked)
    if wire is None:
        return None
    config = SimConfig.from_options(tokens=str(EVENTS))
    ask = wire.read(asked)
    form = wire.form(config, planned(config, 0, ask), ask)
    pieces = [form.opening()]
    pieces += [before + event for before, event in form.events()]
    pieces.append(form.closing(True))
    timeline = Timeline(provider=provider.name, model=model)
    timeline.start_ns, timeline.status, timeline.complete = 0, 200, True
    timeline.headers = (("content-type", wire.stream_type),)
    for number, piece in enumerate(filter(None, pieces), 1):
        timeline.add(number * 20_000_000, piece)
    timeline.first_byte_ns, timeline.closed_ns = timeline.at[0], timeline.at[-1]
    return timeline


def _row(name: str, timeline: Timeline) -> dict[str, Any]:
    record = decode(timeline)
    assert (record.error, len(record.events)) == (None, EVENTS), (name, record.error)
    binary = "eventstream" in dict(timeline.headers)["content-type"]
    whole_us = cpu_us(lambda: decode(timeline), 1, _ROUNDS) / EVENTS
    plain = json.dumps({"choices": [{"delta": {"content": " token"}}], "id": "x" * 200})
    json_us = cpu_us(lambda: [json.loads(plain) for _ in range(EVENTS)], 1, _ROUNDS) / EVENTS
    return {
        "provider": name,
        "bytes/event": len(timeline.body) / EVENTS,
        "decode us/event": whole_us,
        "limit us": LIMIT_BINARY_US if binary else LIMIT_US,
        "times json.loads": whole_us / json_us,
    }
