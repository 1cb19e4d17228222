"""Decoding: CPU time per event of a captured stream, beside parsing its JSON alone.

The bodies are those of OpenAI's gpt-4o-mini, one event a read. The baseline takes what is left of
each line after `data: ` and hands it to `json.loads`: no stamps, no columns, no usage. Redaction
is what `--raw redacted` costs while a run goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from llm_latency_lens.providers import decode
from llm_latency_lens.providers.redact import redact
from llm_latency_lens.timeline import Timeline

SIZES = (64, 2000)
LIMIT_US = 6.0
_ROUNDS = 30

_HEAD = (
    '{"id":"chatcmpl-B4kQ2mZ9xW1tR7yL0pV5nC8sD3fG6","object":"chat.completion.chunk",'
    '"created":1740000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default",'
    '"system_fingerprint":"fp_06737a9306","choices":'
)


def run() -> list[dict[str, Any]]:
    """One row for each length of stream and line end; `limit us` is what an event may cost."""
    return [_row(size, end) for size in SIZES for end in ("\n", "\r\n")]


def capture(size: int, end: str) -> Timeline:
    """A stream of `size` content events, with usage and [DONE], one event a read."""
    timeline = Timeline()
    timeline.start_ns, timeline.status, timeline.complete = 0, 200, True
    timeline.headers = (("content-type", "text/event-stream"),)
    for number, event in enumerate(events(size), 1):
        timeline.add(number * 20_000_000, f"data: {event}{end}{end}".encode())
    timeline.first_byte_ns, timeline.closed_ns = timeline.at[0], timeline.at[-1]
    return timeline


def events(size: int) -> list[str]:
    choice = '[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}],"usage":null}'
    texts = [choice % (json.dumps({"content": f" token{i % 90}"}), "null") for i in range(size)]
    usage = {"prompt_tokens": 9, "completion_tokens": size, "total_tokens": size + 9}
    last = [choice % ("{}", '"stop"'), f'[],"usage":{json.dumps(usage)}}}']
    return [_HEAD + tail for tail in (*texts, *last)] + ["[DONE]"]


def _row(size: int, end: str) -> dict[str, Any]:
    timeline = capture(size, end)
    body = bytes(timeline.body)
    record = decode(timeline)
    assert (len(record.events), record.usage.output) == (size, size)
    rounds = max(1, 2000 // size)
    decode_us = cpu_us(lambda: decode(timeline), rounds) / size
    json_us = cpu_us(lambda: _parse(body), rounds) / size
    return {
        "events": size,
        "line end": end.encode("unicode_escape").decode(),
        "decode us/event": decode_us,
        "limit us": LIMIT_US,
        "json.loads us/event": json_us,
        "times json.loads": decode_us / json_us,
        "redact us/event": cpu_us(lambda: redact(body), rounds) / size,
    }


def _parse(body: bytes) -> None:
    for line in body.splitlines():
        if line.startswith(b"data: {"):
            json.loads(line[6:])


def cpu_us(work: Callable[[], object], rounds: int, repetitions: int = _ROUNDS) -> float:
    """CPU time of one call, the best of some repetitions."""
    best = float("inf")
    for _ in range(repetitions):
        begin = time.process_time_ns()
        for _ in range(rounds):
            work()
        best = min(best, (time.process_time_ns() - begin) / rounds / 1000)
    return best
