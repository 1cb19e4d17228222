"""One run, streamed while it goes on to real receivers of every kind, and sent to them again; what
they then hold is what the JSON says.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import receivers
from prometheus_client.parser import text_string_to_metric_families
from real_command import COMMAND, Command, Ran
from real_servers import free_port
from receivers import Receiver, until

from llm_latency_lens.sinks import influx
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

pytestmark = pytest.mark.real

_SIMULATED = {"ttft": "20ms", "gap": "2ms", "tokens": "9", "faults": "429=2s:#10+20,cut:#30"}
_LOAD = ("--requests", "40", "--concurrency", "4", "--warmup", "2", "--quiet")

_KINDS = {
    "prometheus": "text/plain; version=0.0.4",
    "openmetrics": "application/openmetrics-text; version=1.0.0",
}
"""Formats that are scraped, and how they are announced."""

Samples = dict[tuple[tuple[str, str], ...], float]


@dataclass(frozen=True, slots=True)
class Streamed:
    """A run, and whoever was told of it while it went on."""

    lens: Command
    ran: Ran
    file: Path
    lines: list[str]
    influxdb: Receiver
    victoria: Receiver
    gateway: Receiver
    prometheus: Receiver
    served: dict[str, str]
    oteltap: Receiver
    texts: dict[str, str] = field(default_factory=dict)

    def export(self, to: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "export", "latest", "--to", to, *options],
            env=self.lens.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    def exported(self, to: str) -> str:
        """The run in a format, written once."""
        if to not in self.texts:
            self.texts[to] = self.export(to).stdout
        return self.texts[to]

    @property
    def measured(self) -> list[dict[str, Any]]:
        """Requests that every figure is of."""
        return [
            line
            for line in self.ran.records
            if line["status"] == "ok" and not line["warmup"] and not line["attempt"]
        ]


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streamed]:
    folder = tmp_path_factory.mktemp("receivers")

    def own(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    with ExitStack() as stack:
        start = stack.enter_context
        influxdb = start(receivers.influxdb(own("influxdb"), "runs"))
        victoria = start(receivers.victoria_metrics(own("victoria")))
        gateway = start(receivers.pushgateway(own("gateway")))
        host, served = start(_serving())
        prometheus = start(receivers.prometheus(own("prometheus"), host, *_KINDS))
        oteltap = start(receivers.oteltap(own("oteltap")))
        port, lines = start(_statsd())
        simulator = start(start_simulator(SimConfig.from_options(**_SIMULATED)))
        lens, file = Command(own("lens")), folder / "live.jsonl"
        urls = (
            f"influx+http://{influxdb.host}?db=runs",
            f"influx2+http://{victoria.host}?org=o&bucket=b",
            f"pushgateway+http://{gateway.host}",
            f"remote-write+http://{prometheus.host}",
            f"otlp+http://{oteltap.host}",
            f"statsd://127.0.0.1:{port}",
            str(file),
        )
        sent_to = [word for url in urls for word in ("--stream-to", url)]
        address = ("--base-url", simulator.base_url, "--name", "streamed")
        ran = lens("benchmark", "openai/sim", "Hi", *address, *_LOAD, *sent_to)
        assert (ran.code, ran.err) == (0, "")
        assert ran.result["run"]["sinks"] == [
            {"url": url, "sent": 42, "lost": 0, "error": None} for url in urls
        ]
        yield Streamed(
            lens, ran, file, lines, influxdb, victoria, gateway, prometheus, served, oteltap
        )


@contextmanager
def _statsd() -> Iterator[tuple[int, list[str]]]:
    """A port, and the lines that come there."""
    lines: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))

        def listen() -> None:
            while data := receiver.recv(65536):
                lines.extend(data.decode().splitlines())

        thread = threading.Thread(target=listen)
        thread.start()
        yield receiver.getsockname()[1], lines
        receiver.sendto(b"", receiver.getsockname())
        thread.join()


def seconds(lines: list[dict[str, Any]], name: str) -> float:
    """The sum of a time, exact to the nanosecond."""
    return sum(round(line[name] * 1e6) for line in lines) / 1e9


def samples(text: str) -> Samples:
    """Our own samples in a text of Prometheus', by name and labels."""
    return {
        tuple(sorted({"__name__": sample.name, **sample.labels}.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("latency_lens_")
    }


def without(found: Samples, *names: str) -> Samples:
    """Less what the receiver adds. It may write a bound as `1` where `1.0` was sent."""
    return {
        tuple(
            (name, repr(float(text)).replace("inf", "+Inf") if name == "le" else text)
            for name, text in labels
            if name not in names
        ): value
        for labels, value in found.items()
    }


def queried(prometheus: Receiver, selector: str) -> Samples:
    answer = prometheus.get("/api/v1/query", query=selector)
    return {
        tuple(sorted(series["metric"].items())): float(series["value"][1])
        for series in answer["data"]["result"]
    }


def test_the_file_that_grew_is_the_records(streamed: Streamed):
    exported = streamed.exported("jsonl")
    assert sorted(streamed.file.read_text().splitlines()) == sorted(exported.splitlines())


def test_promtool_finds_nothing_to_say(streamed: Streamed):
    ran = subprocess.run(
        [shutil.which("promtool") or "", "check", "metrics"],
        input=streamed.exported("prometheus"),
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_metrics_are_those_of_the_json(streamed: Streamed):
    found = samples(streamed.exported("prometheus"))
    ours = (("model", "sim"), ("provider", "openai"))

    def of(name: str, *labels: tuple[str, str]) -> float:
        return found[tuple(sorted((("__name__", f"latency_lens_{name}"), *ours, *labels)))]

    result, lines = streamed.ran.result, streamed.measured
    for name in ("ttft", "e2e", "answer"):
        assert of(f"{name}_seconds_count") == result["metrics"][f"{name}_ms"]["count"]
        assert of(f"{name}_seconds_sum") == seconds(lines, f"{name}_ms")
    assert of("itl_seconds_count") == result["metrics"]["itl_ms"]["count"]
    mean = of("itl_seconds_sum") / of("itl_seconds_count") * 1e3
    assert math.isclose(mean, result["metrics"]["itl_ms"]["mean"], rel_tol=1e-12)
    assert of("requests_total", ("status", "ok")) == result["requests"]["ok"]
    assert of("requests_total", ("status", "failed")) == result["requests"]["failed"] == 3
    for kind, count in result["requests"]["errors"].items():
        stage = {"rate_limit": "wait", "network": "stream", "protocol": "stream"}[kind]
        assert of("errors_total", ("kind", kind), ("stage", stage)) == count
    assert of("warmup_requests_total") == result["requests"]["warmup"]
    assert of("tokens_total", ("type", "output")) == result["tokens"]["output"]


def test_pushgateway_has_the_metrics(streamed: Streamed):
    found = samples(streamed.gateway.text("/metrics"))
    assert without(found, "job", "instance") == samples(streamed.exported("prometheus"))


def test_prometheus_took_the_remote_writes(streamed: Streamed):
    found = queried(streamed.prometheus, '{job="latency_lens"}')
    assert without(found, "job") == samples(streamed.exported("prometheus"))


@pytest.mark.parametrize("form", list(_KINDS))
def test_prometheus_scrapes_the_file(streamed: Streamed, form: str):
    streamed.served[form] = streamed.exported(form)
    found = until(lambda: queried(streamed.prometheus, _of_job(form)), "what was scraped")
    assert without(found, "job", "instance") == samples(streamed.exported("prometheus"))


def _of_job(job: str) -> str:
    return f'{{job="{job}", __name__=~"latency_lens_.+"}}'


@contextmanager
def _serving() -> Iterator[tuple[str, dict[str, str]]]:
    """A host, and the texts that it serves, by their formats."""
    texts: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            form = self.path.strip("/")
            self.send_response(200 if form in texts else 503)
            self.send_header("Content-Type", _KINDS[form])
            self.end_headers()
            self.wfile.write(texts.get(form, "").encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}", texts
        server.shutdown()
        thread.join()


def test_influxdb_has_every_request(streamed: Streamed):
    found = _influx_rows(streamed.influxdb)
    assert found == _points(streamed)
    streamed.export(f"influx+http://{streamed.influxdb.host}?db=runs")
    assert _influx_rows(streamed.influxdb) == found  # the same points: nothing is there twice


def _influx_rows(influxdb: Receiver) -> dict[int, dict[str, Any]]:
    query = 'SELECT * FROM "latency_lens_request"'
    answer = influxdb.get("/query", db="runs", q=query, epoch="ns")
    (series,) = answer["results"][0]["series"]
    rows = [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
    return {row["time"]: {name: row[name] for name in _COMPARED} for row in rows}


_COMPARED = ("id", "status", "warmup", "ttft_ms", "e2e_ms", "tpot_ms", "output_tokens", "events")


def _points(streamed: Streamed) -> dict[int, dict[str, Any]]:
    return {
        line["start_unix_ns"]: {
            "id": line["id"],
            "status": line["status"],
            "warmup": str(line["warmup"]).lower(),
            "ttft_ms": line["ttft_ms"],
            "e2e_ms": line["e2e_ms"],
            "tpot_ms": line["tpot_ms"],
            "output_tokens": line["usage"]["output"],
            "events": len(line["events"]),
        }
        for line in streamed.ran.records
    }


_ODD = ("a b", "a,b", "a=b", 'a"b', "a\\b", "a\\,b", "\\", "ü→", "{}", "'x'", "a\\ b", "é\\\\=,")


def test_influxdb_reads_odd_texts_as_they_were(streamed: Streamed):
    """Tags cannot end in a backslash; all else comes back."""
    lines = [
        influx.line(
            "odd", {"tag": text + ".", f"n {text}.": "x"}, {"field": text, "n": number}, number
        )
        for number, text in enumerate(_ODD)
    ]
    streamed.influxdb.post("/write", "\n".join(lines), db="runs")
    query = 'SELECT "field", "tag", "n" FROM "odd" ORDER BY time'
    answer = streamed.influxdb.get("/query", db="runs", q=query, epoch="ns")
    (series,) = answer["results"][0]["series"]
    assert [tuple(row) for row in series["values"]] == [
        (number, text, text + ".", number) for number, text in enumerate(_ODD)
    ]


def test_victoria_metrics_took_the_second_write_endpoint(streamed: Streamed):
    times = (line["ttft_ms"] for line in streamed.ran.records)
    wanted = [ttft_ms for ttft_ms in times if ttft_ms is not None]
    assert Counter(_points_in(streamed.victoria, len(wanted))) == Counter(wanted)


def test_a_receiver_that_comes_late_has_everything(tmp_path: Path):
    port, lens, live = free_port(), Command(tmp_path), tmp_path / "live.jsonl"
    url = f"influx2+http://127.0.0.1:{port}?org=o&bucket=b"
    with start_simulator(SimConfig.from_options(ttft="5ms", gap="1ms", tokens="2")) as simulator:
        command = [
            *(COMMAND, "benchmark", "openai/sim", "Hi", "--base-url", simulator.base_url),
            *("--rate", "20", "--duration", "4s", "--quiet", "--output", tmp_path / "result.json"),
            *("--stream-to", url, "--stream-to", live),
        ]
        with subprocess.Popen(command, env=lens.environment, stdout=subprocess.DEVNULL) as process:
            until(lambda: live.exists() and live.stat().st_size, "the first request")
            with receivers.victoria_metrics(tmp_path, port) as victoria:
                assert process.wait(60) == 0
                assert len(_points_in(victoria, 80)) == 80
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["run"]["sinks"][0] == {"url": url, "sent": 80, "lost": 0, "error": None}


def _points_in(victoria: Receiver, count: int) -> list[float]:
    """Every TTFT that came there, when there are so many."""

    def look() -> list[float] | None:
        victoria.text("/internal/force_flush")
        answer = victoria.text("/api/v1/export", **{"match[]": "latency_lens_request_ttft_ms"})
        parts = re.findall(r'"values":\[([^\]]*)\]', answer)
        values = [float(text) for part in parts for text in part.split(",")]
        return values if len(values) == count else None

    return until(look, "every point")


def test_an_otlp_receiver_has_a_span_for_each_request(streamed: Streamed):
    printed = streamed.oteltap.printed()
    spans = {_told(item)["latency_lens.request.id"]: item for item in printed if "spanId" in item}
    assert len(spans) == len(streamed.ran.records)
    for line in streamed.ran.records:
        span = spans[line["id"]]
        start_ns = int(span["startTimeUnixNano"])
        assert start_ns == line["start_unix_ns"]
        assert int(span["endTimeUnixNano"]) - start_ns == round(line["e2e_ms"] * 1e6)
        told = _told(span)
        if line["ttft_ms"] is not None:
            (first, *_) = span["events"]
            assert int(first["timeUnixNano"]) - start_ns == round(line["ttft_ms"] * 1e6)
        if line["status"] == "ok":
            assert int(told["gen_ai.usage.output_tokens"]) == line["usage"]["output"]
        else:
            assert (told["error.type"], span["status"]["code"]) == (line["error"]["kind"], 2)


def test_an_otlp_receiver_has_the_metrics(streamed: Streamed):
    latest = {item["name"]: item for item in streamed.oteltap.printed() if "histogram" in item}
    lines = streamed.measured
    for name, figure in (
        ("gen_ai.client.operation.duration", "e2e_ms"),
        ("gen_ai.client.operation.time_to_first_chunk", "ttft_ms"),
    ):
        points = latest[name]["histogram"]["dataPoints"]
        (point,) = (point for point in points if "error.type" not in _told(point))
        assert (int(point["count"]), point["sum"]) == (len(lines), seconds(lines, figure))


def _told(item: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in item["attributes"]}


def test_statsd_lines_arrive(streamed: Streamed):
    wanted = Counter(streamed.exported("statsd").splitlines())
    got: Callable[[], bool] = lambda: Counter(streamed.lines) == wanted  # noqa: E731
    assert until(got, "every line")
