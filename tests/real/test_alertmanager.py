"""A monitor whose targets go away and come back, and a real Alertmanager that hears of it and tells
others."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import receivers
from real_servers import found, free_port
from receivers import until
from test_monitor_runs import Monitor

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

pytestmark = pytest.mark.real

_ALERTS = """\
alerts:
  receivers:
    - {{name: manager, kind: alertmanager, url: 'http://{manager}'}}
    - {{name: ops, kind: webhook, url: '{hook}/own', secret: whsec_c2VjcmV0LWtleQ==}}
"""


@contextmanager
def _hook() -> Iterator[tuple[str, list[tuple[str, dict[str, str], Any]]]]:
    """A URL, and what was posted there: path, headers and JSON."""
    came: list[tuple[str, dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            came.append((self.path, headers, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", came
        server.shutdown()
        thread.join()


def test_alertmanager_is_told_of_an_outage_and_of_its_end(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    targets = "".join(
        f"  - {{name: {name}, provider: openai, model: {name}, base_url: '{url}', region: eu}}\n"
        for name in ("a", "b")
    )
    with _hook() as (hook, came), receivers.alertmanager(tmp_path, f"{hook}/manager") as manager:
        targets += _ALERTS.format(manager=manager.host, hook=hook)
        monitor = Monitor(tmp_path, targets, interval="500ms", data=tmp_path / "data")
        with monitor.running():

            def told(path: str, status: str) -> Any:
                return next((body for where, _, body in came
                             if where == path and body["status"] == status), None)  # fmt: skip

            firing = until(lambda: told("/manager", "firing"), "the alert")
            alerts = manager.get("/api/v2/alerts")
            assert {alert["status"]["state"] for alert in alerts} == {"active"}
            assert sorted(alert["labels"]["target"] for alert in alerts) == ["a", "b"]
            assert {alert["target"] for alert in (one["labels"] for one in firing["alerts"])} == {
                "a",
                "b",
            }
            assert firing["commonLabels"] == {
                "alertname": "LatencyLensTargetDown", "severity": "critical", "provider": "openai",
                "region": "eu",
            }  # fmt: skip
            assert "down since" in firing["alerts"][0]["annotations"]["summary"]
            tool = subprocess.run(
                [found("amtool"), f"--alertmanager.url=http://{manager.host}", "alert", "query",
                 "target=a", "--output=json"],
                capture_output=True, check=True, timeout=20,
            )  # fmt: skip
            (only,) = json.loads(tool.stdout)
            assert only["labels"]["severity"] == "critical"
            until(lambda: told("/own", "open"), "the message of our own", 60.0)
            with start_simulator(SimConfig.from_options(ttft="5ms", gap="1ms"), port=port):
                over = until(lambda: told("/manager", "resolved"), "the end of the alert", 60.0)
                assert "resolved after" in over["alerts"][0]["annotations"]["summary"]
            ((headers, opened),) = [(more, body) for where, more, body in came if where == "/own"]
            assert opened["text"].startswith("openai: 2 targets down: a, b\n")
            assert headers["webhook-signature"].startswith("v1,")
            assert hook not in monitor.log.read_text()
            incidents = monitor.get("/api/v1/incidents")["incidents"]
            assert {one["kind"] for one in incidents} == {"down"}
            assert all(one["resolved_unix_s"] for one in incidents)
