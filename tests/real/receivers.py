"""Real receivers of measurements, each on a free port of 127.0.0.1 with a folder of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from real_parts import PYTHON
from real_servers import found, free_port, running

T = TypeVar("T")
_PATIENCE_S = 20.0

_PROMETHEUS = """\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
"""
_SCRAPE = """\
- job_name: {path}
  metrics_path: /{path}
  static_configs: [{{targets: ['{host}']}}]
"""

_ALERTMANAGER = """\
global: {{resolve_timeout: 1m}}
route: {{receiver: hook, group_by: [alertname, provider], group_wait: 2s, group_interval: 2s}}
receivers:
- name: hook
  webhook_configs: [{{url: '{hook}', send_resolved: true}}]
"""

_INFLUX = """\
reporting-disabled = true
bind-address = "127.0.0.1:{backup}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
"""


@dataclass(frozen=True, slots=True)
class Receiver:
    """`host` is its address with the port; `log` is what it printed."""

    host: str
    log: Path

    def get(self, path: str, **params: str) -> Any:
        """The JSON of an answer; JSON lines are a list."""
        text = self.text(path, **params)
        lines = text.splitlines()
        return json.loads(text) if len(lines) < 2 else [json.loads(line) for line in lines]

    def text(self, path: str, **params: str) -> str:
        query = f"?{urlencode(params)}" if params else ""
        with urlopen(f"http://{self.host}{path}{query}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def post(self, path: str, body: str = "", **params: str) -> None:
        url = f"http://{self.host}{path}?{urlencode(params)}"
        request = Request(url, body.encode(), method="POST")
        urlopen(request, timeout=10).close()

    def printed(self) -> list[Any]:
        """Its output, as JSON lines."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def until(look: Callable[[], T | None], what: str, patience_s: float = _PATIENCE_S) -> T:
    """What `look` gives as soon as it is something."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            if seen := look():
                return seen
        except (HTTPError, ConnectionError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {patience_s:.0f} s")


@contextmanager
def prometheus(folder: Path, host: str, *paths: str) -> Iterator[Receiver]:
    """Scrapes paths of a host once a second, each as a job of its own; takes remote writes."""
    port, config = free_port(), folder / "prometheus.yml"
    jobs = [_SCRAPE.format(path=path, host=host) for path in paths]
    config.write_text(_PROMETHEUS + "".join(jobs))
    command = [
        *(found("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/data"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"),
    ]
    with _receiving(command, port, folder / "prometheus.log") as receiver:
        until(lambda: receiver.text("/-/ready"), "Prometheus")
        yield receiver


@contextmanager
def pushgateway(folder: Path) -> Iterator[Receiver]:
    port = free_port()
    command = [found("prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{port}"]
    with _receiving(command, port, folder / "pushgateway.log") as receiver:
        yield receiver


@contextmanager
def alertmanager(folder: Path, hook: str) -> Iterator[Receiver]:
    """Tells a hook of what it hears, and of what is over."""
    port, config = free_port(), folder / "alertmanager.yml"
    config.write_text(_ALERTMANAGER.format(hook=hook))
    command = [
        *(found("prometheus-alertmanager"), f"--config.file={config}"),
        *(f"--storage.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=",
    ]
    with _receiving(command, port, folder / "alertmanager.log") as receiver:
        until(lambda: receiver.text("/-/ready"), "Alertmanager")
        yield receiver


@contextmanager
def influxdb(folder: Path, database: str) -> Iterator[Receiver]:
    """InfluxDB 1 with one empty database."""
    port, config = free_port(), folder / "influxdb.conf"
    config.write_text(_INFLUX.format(folder=folder, port=port, backup=free_port()))
    command = [found("influxd"), "-config", str(config)]
    with _receiving(command, port, folder / "influxdb.log") as receiver:
        receiver.post("/query", q=f"CREATE DATABASE {database}")
        yield receiver


@contextmanager
def victoria_metrics(folder: Path, port: int | None = None) -> Iterator[Receiver]:
    """VictoriaMetrics, which speaks InfluxDB 2's write endpoint."""
    port = port or free_port()
    command = [
        *(found("victoria-metrics"), f"-storageDataPath={folder}/data"),
        *(f"-httpListenAddr=127.0.0.1:{port}", "-search.latencyOffset=0s"),
    ]
    with _receiving(command, port, folder / "victoria.log") as receiver:
        yield receiver


@contextmanager
def oteltap(folder: Path) -> Iterator[Receiver]:
    """An OTLP receiver that prints what it is sent as JSON lines."""
    port = free_port()
    command = [str(PYTHON), "-u", "-m", "oteltap", "--port", str(port)]
    with _receiving(command, port, folder / "oteltap.log") as receiver:
        yield receiver


@contextmanager
def _receiving(command: list[str], port: int, log: Path) -> Iterator[Receiver]:
    with running(command, port, log):
        yield Receiver(f"127.0.0.1:{port}", log)
