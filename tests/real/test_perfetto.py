"""Whether Perfetto's own trace processor sees in an exported trace what the records say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from real_command import COMMAND, Command, Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real

MISREAD = "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0"
SLICES = """
SELECT thread.tid - 2 AS request, slice.name, slice.ts, slice.dur, slice.depth
FROM slice JOIN thread_track ON slice.track_id = thread_track.id JOIN thread USING (utid)
WHERE slice.category = '{}' ORDER BY request, slice.ts + slice.dur, slice.ts"""
TRACKS = "SELECT name, tid - 2 FROM thread WHERE tid >= 2 ORDER BY tid"
PEAK = "SELECT MAX(value) FROM counter"


def test_perfetto_sees_what_the_records_say(
    lens: Command, simulate: Simulate, tmp_path: Path
) -> None:
    simulator = simulate(ttft="20ms", gap="2ms", tokens="12", stalls="3%:400ms", faults="429:20%")
    load = ("--requests", "20", "--concurrency", "4", "--quiet")
    kept = ("--run-dir", str(tmp_path / "run"))
    ran = lens("benchmark", "sim", "hi", "--base-url", simulator.base_url, *load, *kept)
    trace = tmp_path / "trace.json"
    exporting = [COMMAND, "export", tmp_path / "run", "--to", "perfetto", "--output", trace]
    subprocess.run(exporting, check=True, env=lens.environment)
    categories = ("request", "phase", "token", "error")
    queries = [MISREAD, TRACKS, PEAK, *(SLICES.format(category) for category in categories)]
    misread, tracks, peak, requests, phases, tokens, errors = sdk_says(
        "perfetto_page.py", str(trace), *queries
    )
    assert misread == []
    records = sorted(ran.records, key=lambda record: record["index"])
    assert tracks == [[f"request {record['index']}", record["index"]] for record in records]
    assert peak == [[4]]
    starts = {request: ts for request, name, ts, _, _ in phases if name == "send"}
    ends = [[request, ts + dur - starts[request]] for request, _, ts, dur, _ in requests]
    assert ends == [[record["index"], round(record["marks_ms"]["end"] * 1e6)] for record in records]
    assert [[request, ts + dur - starts[request]] for request, _, ts, dur, _ in tokens] == [
        [record["index"], round(at_ms * 1e6)]
        for record in records
        for at_ms, _, _ in record["events"]
    ]
    # What overlapped would not be nested. A token that came with the one before it takes no time,
    # and is laid into the one behind it.
    levels = [{depth for *_, dur, depth in found if dur} for found in (requests, phases, tokens)]
    assert levels == [{0}, {1}, {2}]
    assert [name for _, name, *_ in tokens].count("stall") == ran.result["stalls"]["count"]
    assert [[request, name] for request, name, *_ in errors] == [
        [record["index"], "failed: rate_limit (wait)"]
        for record in records
        if record["status"] == "failed"
    ]
    assert json.loads(trace.read_text())["otherData"]["run"] == ran.result["run"]["id"]
