"""The monitor as a user runs it, in a process of its own, watched from outside."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_COUNTS = re.compile(rb"^latency_lens_requests_total\{.*\} (\d+)", re.M)
SCRAPE_S = 15.0


@dataclass(slots=True)
class Sample:
    """The process at one moment, since its start; what a scrape took, where there was one."""

    at_s: float
    rss_mb: float
    cpu_s: float
    files: int
    threads: int
    scrape_ms: float | None = None
    scrape_bytes: int = 0
    probes: int = 0
    """All that the scrape counts."""


@dataclass(slots=True)
class Watched:
    """A monitor that runs; `look` takes samples of it."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    begun: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)

    def look(self, seconds: float, every_s: float) -> None:
        """Sample for so long, and scrape as often as Prometheus would."""
        end, scrape_at = time.monotonic() + seconds, time.monotonic() + every_s
        while (now := time.monotonic()) < end:
            sample = self.sample()
            if now >= scrape_at:
                self.scrape(sample)
                scrape_at = now + SCRAPE_S
            time.sleep(max(0.0, min(every_s, end - time.monotonic())))

    def sample(self) -> Sample:
        pid = self.process.pid
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / _TICK
        found = Sample(
            time.monotonic() - self.begun,
            pages * _PAGE / 1e6,
            cpu_s,
            len(os.listdir(f"/proc/{pid}/fd")),
            int(fields[17]),
        )
        self.samples.append(found)
        return found

    def scrape(self, sample: Sample) -> None:
        """How long it takes until all of `/metrics` is there, and how much that is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        begun = time.perf_counter()
        connection.request("GET", "/metrics", headers={"Accept": accept})
        body = connection.getresponse().read()
        sample.scrape_ms = (time.perf_counter() - begun) * 1e3
        sample.scrape_bytes = len(body)
        sample.probes = sum(int(count) for count in _COUNTS.findall(body))
        connection.close()

    def rows(self) -> Iterator[dict[str, object]]:
        """Every probe that it has kept in its journal."""
        for file in sorted((self.folder / "journal").glob("*.jsonl")):
            for line in file.read_text().splitlines():
                yield json.loads(line)

    def size(self) -> float:
        """Megabytes that it keeps."""
        files = (one for one in self.folder.rglob("*") if one.is_file())
        return sum(one.stat().st_size for one in files) / 1e6

    def ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False


@contextmanager
def monitor(
    folder: Path, base_url: str, *, targets: int, interval_s: float, port: int
) -> Iterator[Watched]:
    """A monitor of so many targets, all of them the simulated provider."""
    file = folder / "monitor.yaml"
    names = "\n".join(f"  - name: target-{number:03d}" for number in range(targets))
    file.write_text(
        f"listen: 127.0.0.1:{port}\n"
        f"data_dir: {folder / 'data'}\n"
        "defaults:\n"
        f"  base_url: {base_url}\n"
        "  provider: openai\n  model: sim\n  api_key: none\n  max_tokens: 32\n"
        f"  interval: {interval_s}s\n"
        "  objectives: [ttft_ms.p95<800, error_rate<1%]\n"
        f"targets:\n{names}\n"
    )
    command = [sys.executable, "-m", "llm_latency_lens", "monitor", "--config", str(file)]
    errors = (folder / "errors.log").open("wb")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
    found = Watched(process, port, folder / "data")
    try:
        while not found.ready():
            if process.poll() is not None:
                raise RuntimeError((folder / "errors.log").read_text())
            time.sleep(0.1)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        errors.close()


def quantile(values: list[float], share: float) -> float:
    """Linear interpolation."""
    ordered = sorted(values)
    place, rest = divmod(share * (len(ordered) - 1), 1)
    low = ordered[int(place)]
    return low + rest * (ordered[min(int(place) + 1, len(ordered) - 1)] - low)
