"""A run as `benchmark` would have kept it, made at once: no network and no waiting.

The simulator's model says when each token came; the bytes are those of OpenAI's gpt-4o-mini.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from pathlib import Path

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.record import Record
from llm_latency_lens.store import runs
from llm_latency_lens.store.frames import HEADER, close_frame, open_frame, reads_frame
from llm_latency_lens.testing.model import SimConfig, draw
from llm_latency_lens.timeline import Timeline

from .decode import events

CONFIG = {"ttft": "lognormal:200ms,0.3", "gap": "lognormal:20ms,0.3", "stalls": "0.2%:300ms"}
_STARTED_NS = 1_700_000_000 * SECOND_NS


def keep_run(folder: Path, requests: int, tokens: int) -> None:
    """Fill the folder with a run of `requests` answers of `tokens` content events each."""
    context = Context(
        id="20231114T221320Z-kept00",
        started_at_unix_ns=_STARTED_NS,
        tool_version="0",
        config={"provider": "openai", "model": "gpt-4o-mini", "base_url": "https://api.openai.com"},
        mode="open",
        offered_rate=50.0,
        planned=requests,
        health=Health(capture_s=requests / 50, cpu_s=requests * tokens * 15e-6),
    )
    runs.write(runs.create(context.id, folder), runs.RunFile(context=context))
    pieces = [f"data: {event}\n\n".encode() for event in events(tokens)]
    body, ends = b"".join(pieces), array("Q", accumulate(map(len, pieces)))
    config = SimConfig.from_options(tokens=str(tokens), **CONFIG)
    with (folder / runs.TIMELINES).open("wb") as file:
        file.write(HEADER)
        for record in draw(config, requests, rate=50):
            timeline = _captured(record, body, ends)
            file.write(open_frame(timeline))
            file.write(reads_frame(timeline, 0, 0, body))
            file.write(close_frame(timeline))


def _captured(record: Record, body: bytes, ends: array[int]) -> Timeline:
    timeline = Timeline(
        index=record.index,
        id=record.id,
        model="gpt-4o-mini",
        planned_ns=record.planned_ns,
    )
    at_ns = record.events.at_ns
    timeline.at = at_ns + array("q", [at_ns[-1]] * (len(ends) - len(at_ns)))
    timeline.lag, timeline.ends = array("q", [5_000] * len(ends)), ends
    timeline.body += body
    timeline.start_ns, timeline.sent_ns = record.start_ns, record.sent_ns
    timeline.first_byte_ns, timeline.closed_ns = at_ns[0], at_ns[-1]
    timeline.offset_ns = timeline.offset_end_ns = _STARTED_NS
    timeline.clock_source, timeline.status, timeline.complete = "kernel", 200, True
    timeline.headers = (("content-type", "text/event-stream"),)
    timeline.connection.reused = True
    return timeline
