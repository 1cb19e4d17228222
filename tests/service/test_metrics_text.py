"""What is scraped: the numbers of the metric set, in a form that Prometheus' own tools take."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import pytest
from probed import BEGAN, MS, SECOND, failure, probe, refused, target
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_open
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_plain

from llm_latency_lens.decide.sla import parse_sla
from llm_latency_lens.record import RateLimit
from llm_latency_lens.service.config import TargetConfig
from llm_latency_lens.service.families import FAMILIES
from llm_latency_lens.service.live import Live
from llm_latency_lens.service.metrics import KEPT, Metrics
from llm_latency_lens.service.probe import Probe
from llm_latency_lens.sinks.metric_set import COUNTS, MetricSet
from llm_latency_lens.sinks.moments import trace_id
from llm_latency_lens.testing.clock import FakeClock

OPEN = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


def text(metrics: Metrics, accept: str = "") -> str:
    return asyncio.run(metrics.text(accept))[0].decode()


def told() -> list[Probe]:
    return [
        *(probe(n, name, ttft_ms=5.0 * n, gaps_ms=[n, 20.0]) for n in range(30) for name in "ab"),
        *(failure(30), refused(31, "a"), failure(32, "b")),
    ]


def filled(targets: list[TargetConfig], probes: list[Probe]) -> Metrics:
    metrics = Metrics(targets, FakeClock(realtime_ns=BEGAN))
    for one in probes:
        metrics(one)
    return metrics


def samples(text: str, *, openmetrics: bool = False) -> dict[str, dict[str, float]]:
    """Values by labels by name; types and helps are told."""
    found: dict[str, dict[str, float]] = {}
    for family in (read_open if openmetrics else read_plain)(text):
        found[f"{family.name} {family.type}"] = {"": hash(family.documentation)}
        for sample in family.samples:
            labels = repr(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
            if sample.exemplar:
                found[sample.name][f"{labels} {sorted(sample.exemplar.labels.items())}"] = (
                    sample.exemplar.value
                )
    return found


@pytest.mark.parametrize("openmetrics", [False, True])
def test_values_types_and_exemplars_are_those_of_the_metric_set(openmetrics: bool):
    targets, probes = [target("a"), target("b"), target("chat")], told()
    own = samples(
        text(filled(targets, probes), OPEN if openmetrics else ""), openmetrics=openmetrics
    )
    metrics = MetricSet(times=KEPT, service=True)
    for one in probes:
        metrics.add(one.record)
    render = generate_open if openmetrics else generate_latest
    wanted = samples(render(metrics).decode(), openmetrics=openmetrics)  # type: ignore[arg-type, operator]
    assert {name: own.get(name) for name in wanted} == wanted
    rest = {name.partition(" ")[0] for name in set(own) - set(wanted)}
    assert {name.removeprefix("latency_lens_") for name in rest} <= {
        *("build_info", "build", "clock_source_info", "clock_source", "clock_step_seconds"),
        "clock_step_seconds_total",
    }


def test_exemplars_name_the_request_and_its_trace():
    metrics = filled([target("a")], [probe(7, "a")])
    line = next(
        line
        for line in text(metrics, OPEN).splitlines()
        if "ttft_seconds_bucket" in line and "#" in line
    )
    record = probe(7, "a").record
    assert line.endswith(
        f'le="0.2"}} 1 # {{trace_id="{trace_id(record.id, record)}",request_id="r-a-7"}} 0.2'
        f" {(BEGAN + 272 * MS) / SECOND:.3f}"
    )
    assert "trace_id" not in text(metrics)


def test_labels_of_the_configuration_and_odd_texts():
    name = 'a "b"\\{}%s\n'
    odd = target(name, model="m", labels={"team": 'x"y', "empty": ""})
    found = samples(text(filled([odd], [probe(0, name)])))
    (labels,) = found["latency_lens_requests_total"]
    assert labels == repr(
        sorted(
            {
                "target": name,
                "provider": "openai",
                "model": "m",
                "team": 'x"y',
                "status": "ok",
            }.items()
        )
    )
    assert found["latency_lens_ttft_seconds_count"][labels.replace("('status', 'ok'), ", "")] == 1


def test_series_of_targets_that_are_gone_end_and_others_go_on():
    metrics = filled([target("a"), target("b")], told())
    assert 'target="chat"' not in text(metrics)
    metrics.retarget([target("b", labels={"team": "new"})])
    shown = text(metrics)
    assert 'target="a"' not in shown
    assert 'latency_lens_requests_total{target="b",provider="openai",model="m",team="new",' in shown
    metrics(probe(99, "b"))
    assert samples(text(metrics))["latency_lens_e2e_seconds_count"] == {
        repr([("model", "m"), ("provider", "openai"), ("target", "b"), ("team", "new")]): 31
    }


def test_gauges_of_the_monitor():
    sla = "objectives: [{limit: ttft_ms<800, target: 99%}, {limit: error_rate<1%}]"
    one = target("a", promises=parse_sla(sla, "x").promises)
    clock = FakeClock(realtime_ns=BEGAN)
    live = Live([one], clock)
    sources = [
        lambda: [("push_lost", [(("influx+http://h?db=d",), 3)]), ("history_lost", [((), 2)])]
    ]
    metrics = Metrics([one], clock, live=live, sources=sources)
    limits = (RateLimit("requests", 100, 42), RateLimit("tokens", 100, None))
    for number in range(4):
        sent = probe(number, "a", rate_limits=limits) if number else refused(0, "a")
        sent.row.start_lag_ms = 3.0 * number
        sent.row.clock_step_ms = -250.0
        metrics(sent)
        live(sent)
    found = samples(text(metrics))
    labels = [("model", "m"), ("provider", "openai"), ("target", "a")]

    def of(name: str, **own: str) -> float:
        return found[f"latency_lens_{name}"][repr(sorted([*labels, *own.items()]))]

    assert of("target_up") == 1
    assert of("availability_ratio", window="1h") == of("availability_ratio", window="24h") == 0.75
    assert of("rate_limit_remaining", limit="requests") == 42
    assert of("objective_target_ratio", objective="ttft_ms<800 in 99 %") == 0.99
    assert of("objective_target_ratio", objective="error_rate<1%") == 0.99
    assert found["latency_lens_push_lost_total"] == {"[('receiver', 'influx+http://h?db=d')]": 3}
    assert found["latency_lens_history_lost_total"] == {"[]": 2}
    assert found["latency_lens_clock_step_seconds_total"] == {"[]": 1.0}
    assert found["latency_lens_clock_source_info"] == {"[('source', 'kernel')]": 1}
    lag = found["latency_lens_probe_start_lag_seconds_bucket"]
    assert [lag[f"[('le', '{bound}')]"] for bound in ("0.0005", "0.005", "0.01")] == [1, 2, 4]
    clock.advance(3600 * SECOND)
    assert "target_up" not in text(metrics)  # nothing is known


def test_compressed_where_that_is_asked_for():
    metrics = filled([target("a"), target("b")], told())
    plain, headers = asyncio.run(metrics.answer("*/*", "identity"))
    assert headers == {
        "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
        "Vary": "Accept, Accept-Encoding",
    }
    packed, headers = asyncio.run(metrics.answer(OPEN, "deflate, gzip"))
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert gzip.decompress(packed).decode() == text(metrics, OPEN)
    assert plain.decode() == text(metrics)


def test_others_get_their_turn_while_it_is_rendered():
    """No piece is long: with a clock on which each takes 3 ms, there is a turn behind each."""
    metrics = filled([target("a"), target("b")], told())
    clock = metrics._clock

    class Slow:
        def monotonic_ns(self) -> int:
            clock.advance(3 * MS)  # type: ignore[attr-defined]
            return clock.monotonic_ns()

    metrics._clock = Slow()  # type: ignore[assignment]

    async def counted() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        await metrics.text()
        task.cancel()
        return turns

    assert asyncio.run(counted()) > 20


def test_the_page_of_metrics_names_every_one_of_them():
    page = (Path(__file__).parents[2] / "docs/reference/monitor-metrics.md").read_text()
    rows = dict(re.findall(r"^\| `(latency_lens_[a-z0-9_]+)`([^\n]*)\|$", page, re.M))
    endings = {"counter": "_total", "info": "_info", "gauge": ""}
    wanted = {
        **{f"latency_lens_{one.name}_seconds": one.help for one in KEPT},
        "latency_lens_probe_start_lag_seconds": "How late probes started, against their schedule.",
        **{f"latency_lens_{name}_total": text for name, (text, _) in COUNTS.items()},
        **{
            f"latency_lens_{name}{endings[family.kind]}": family.help
            for name, family in FAMILIES.items()
        },
    }
    assert set(rows) == set(wanted)
    for name, text in wanted.items():
        assert text.rstrip(".") in rows[name], name
    assert "retries" in COUNTS
