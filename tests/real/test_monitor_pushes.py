"""A monitor that sends to real receivers of every kind: what they then hold is what it measured."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import receivers
from prometheus_client.parser import text_string_to_metric_families
from real_servers import free_port
from receivers import Receiver, until
from test_monitor_runs import Monitor
from test_receivers import queried, samples, without

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

pytestmark = pytest.mark.real

_SIMULATED = {"ttft": "20ms", "gap": "2ms", "tokens": "9", "faults": "429=2s:#10+20"}


def test_every_receiver_has_what_was_measured(tmp_path: Path) -> None:
    def own(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    late = free_port()
    with ExitStack() as stack:
        start = stack.enter_context
        influxdb = start(receivers.influxdb(own("influxdb"), "probes"))
        gateway = start(receivers.pushgateway(own("gateway")))
        prometheus = start(receivers.prometheus(own("prometheus"), "127.0.0.1:1"))
        oteltap = start(receivers.oteltap(own("oteltap")))
        urls = (
            f"influx+http://{influxdb.host}?db=probes",
            f"pushgateway+http://{gateway.host}",
            f"remote-write+http://{prometheus.host}",
            f"otlp+http://{oteltap.host}",
            f"influx2+http://127.0.0.1:{late}?org=o&bucket=b",
            f"remote-write+http://127.0.0.1:{late}?job=late",
        )
        simulator = start(start_simulator(SimConfig.from_options(**_SIMULATED)))
        targets = "".join(
            f"  - {{name: {name}, model: sim, base_url: '{simulator.base_url}'}}\n"
            for name in ("chat", "code")
        )
        pushes = "push:\n" + "".join(f"  - {{url: '{url}', interval: 500ms}}\n" for url in urls)
        monitor = Monitor(tmp_path, targets + pushes, interval="250ms", data=tmp_path / "data")
        with monitor.running():
            until(lambda: len(monitor.rows()) >= 40, "forty probes")
            waiting = dict(_own(monitor.text("/metrics"), "push_queue_bytes"))
            assert all(waiting[url] > 0 for url in urls[4:])
            assert any("refused" in one for one in monitor.get("/readyz")["problems"])
            victoria = start(receivers.victoria_metrics(own("victoria"), late))
            until(lambda: _seen(victoria, 40), "what waited")
            scraped = monitor.text("/metrics")
        assert monitor.process.returncode == 0
        assert "Traceback" not in monitor.log.read_text()
        rows = monitor.rows()
        _check_points(influxdb, rows)
        _check_spans(oteltap, rows)
        _check_state(gateway, prometheus, rows)
        _check_late(victoria, rows)
    _check_with_promtool(scraped)


def _own(text: str, name: str) -> list[tuple[str, float]]:
    return [
        (sample.labels["receiver"], sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"latency_lens_{name}"
    ]


def _check_points(influxdb: Receiver, rows: list[dict[str, Any]]) -> None:
    query = 'SELECT id, status, arm, ttft_ms, e2e_ms, output_tokens FROM "latency_lens_request"'
    answer = influxdb.get("/query", db="probes", q=query, epoch="ns")
    (series,) = answer["results"][0]["series"]
    found = sorted(tuple(values[1:]) for values in series["values"])
    names = ("id", "status", "target", "ttft_ms", "e2e_ms", "output_tokens")
    assert found == sorted(tuple(row.get(name) for name in names) for row in rows)


def _check_spans(oteltap: Receiver, rows: list[dict[str, Any]]) -> None:
    spans = [item for item in oteltap.printed() if "spanId" in item]
    assert len({span["traceId"] for span in spans}) == len(rows)
    told = [{one["key"]: one["value"] for one in span["attributes"]} for span in spans]
    ids = [one["latency_lens.request.id"]["stringValue"] for one in told]
    assert Counter(ids) == Counter(row["id"] for row in rows)


def _check_state(gateway: Receiver, prometheus: Receiver, rows: list[dict[str, Any]]) -> None:
    """The last push was of the end, and said the same to both."""
    pushed = without(samples(gateway.text("/metrics")), "job", "instance")
    written = without(queried(prometheus, '{job="latency_lens"}'), "job")
    counts = {
        name: sum(value for labels, value in found.items() if ("__name__", name) in labels)
        for found in (pushed, written)
        for name in ("latency_lens_ttft_seconds_count", "latency_lens_requests_total")
    }
    good = [row for row in rows if row["status"] == "ok"]
    assert counts == {
        "latency_lens_ttft_seconds_count": len(good),
        "latency_lens_requests_total": len(rows),
    }
    steady = re.compile("latency_lens_(push|history|availability|config|burn|error_budget)")
    kept = [
        {labels: value for labels, value in found.items() if not steady.match(_name(labels))}
        for found in (pushed, written)
    ]
    # Prometheus answers with what there was before, too: of a monitor that was still probing.
    assert {labels: kept[1].get(labels) for labels in kept[0]} == kept[0]
    assert len(kept[0]) > 200


def _name(labels: tuple[tuple[str, str], ...]) -> str:
    return dict(labels)["__name__"]


def _seen(victoria: Receiver, count: int) -> list[str] | None:
    """Every point's status and time, as soon as there are so many."""
    victoria.text("/internal/force_flush")
    answer = victoria.text("/api/v1/export", **{"match[]": "latency_lens_request_e2e_ms"})
    parts = re.findall(r'"values":\[([^\]]*)\]', answer)
    values = [text for part in parts for text in part.split(",") if text]
    return values if len(values) >= count else None


def _check_late(victoria: Receiver, rows: list[dict[str, Any]]) -> None:
    """What came before there was anybody: all of it, with its own times."""
    values = until(lambda: _seen(victoria, len(rows)), "every point")
    assert sorted(map(float, values)) == sorted(row["e2e_ms"] for row in rows)
    name = 'latency_lens_requests_total{job="late",target="chat",status="ok"}'

    def counts() -> list[list[float]] | None:
        victoria.text("/internal/force_flush")
        found = victoria.get("/api/v1/export", **{"match[]": name})
        last = sum(row["target"] == "chat" and row["status"] == "ok" for row in rows)
        return [found["values"], found["timestamps"]] if found["values"][-1] == last else None

    values, stamps = until(counts, "the last count")
    assert values == sorted(values)
    assert values[0] < values[-1] / 2  # the state as it was then
    steps = [later - earlier for earlier, later in pairwise(stamps)]
    assert min(steps[:-1]) >= 450
    assert max(steps) < 1500


def _check_with_promtool(text: str) -> None:
    ran = subprocess.run(
        [shutil.which("promtool") or "", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
