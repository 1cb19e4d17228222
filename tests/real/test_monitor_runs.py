"""The monitor as it is run: a real model, a real Prometheus, a kill, a full disk, no rights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import receivers
from real_command import COMMAND
from real_servers import free_port
from receivers import until

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

pytestmark = pytest.mark.real

_FILE = """\
listen: 127.0.0.1:{port}
data_dir: {data}
defaults: {{api_key: none, interval: {interval}, jitter: 0, max_tokens: 8, timeout: 20s}}
targets:
"""


class Monitor:
    """A monitor's process, its file and its folder."""

    def __init__(self, folder: Path, targets: str, *, interval: str, data: Path) -> None:
        self.port, self.data = free_port(), data
        self.file = folder / "monitor.yaml"
        head = _FILE.format(port=self.port, data=data, interval=interval)
        self.file.write_text(head + targets)
        self.log = folder / "monitor.log"
        self.process: subprocess.Popen[bytes]

    @contextmanager
    def running(self, *around: str, cwd: Path | None = None, **environ: str) -> Iterator[Monitor]:
        """`around` is a command that runs it."""
        kept = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        command = [*around, str(COMMAND), "monitor", "--config", str(self.file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=cwd, env={**kept, **environ}
            )
        try:
            until(self._ready, "readiness")
            yield self
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self.get("/readyz")["ready"])
        except URLError:
            return False

    def text(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            found: str = answer.read().decode()
            return found

    def get(self, path: str) -> Any:
        return json.loads(self.text(path))

    def rows(self) -> list[dict[str, Any]]:
        """Every probe in the journal."""
        files = sorted((self.data / "journal").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def _target(name: str, model: str, url: str) -> str:
    return f"  - {{name: {name}, model: {model}, base_url: '{url}'}}\n"


def _number(answer: Any) -> float:
    return float(answer["data"]["result"][0]["value"][1])


def test_a_real_model_through_to_a_real_prometheus(llama: str, tmp_path: Path) -> None:
    monitor = Monitor(
        tmp_path, _target("local", "smollm2", llama), interval="500ms", data=tmp_path / "data"
    )
    where = f"127.0.0.1:{monitor.port}"
    with monitor.running(), receivers.prometheus(tmp_path, where, "metrics") as prometheus:
        until(lambda: len(monitor.rows()) >= 6, "six probes")
        # From here on nothing changes: what was scraped is what there is.
        monitor.file.write_text(monitor.file.read_text().replace("500ms", "1h"))
        until(lambda: "read again" in monitor.log.read_text(), "the new file")
        time.sleep(1.0)  # a probe may have been under way
        rows = monitor.rows()

        def asked(what: str) -> float:
            return _number(prometheus.get("/api/v1/query", query=f"latency_lens_{what}"))

        def scraped() -> bool:
            return asked('requests_total{status="ok"}') == len(rows)

        until(scraped, "the last scrape")
        assert {row["status"] for row in rows} == {"ok"}
        assert asked("ttft_seconds_count") == len(rows)
        assert asked("ttft_seconds_sum") == pytest.approx(sum(r["ttft_ms"] for r in rows) / 1e3)
        assert asked("e2e_seconds_sum") == pytest.approx(sum(r["e2e_ms"] for r in rows) / 1e3)
        gaps = [gap for row in rows for gap in row["gaps_ms"]]
        assert asked("itl_seconds_count") == len(gaps)
        assert asked("itl_seconds_sum") == pytest.approx(sum(gaps) / 1e3)
        assert asked('tokens_total{type="output"}') == sum(row["output_tokens"] for row in rows)
        assert asked("target_up") == 1
        series = monitor.get("/api/v1/series?target=local&since=1h&step=1h")
        assert sum(one["ok"] for one in series["points"]) == len(rows)
    assert monitor.process.returncode == 0
    assert "Traceback" not in monitor.log.read_text()


def test_a_kill_loses_one_probe_at_most(tmp_path: Path) -> None:
    sim = SimConfig.from_options(ttft="10ms", gap="1ms", tokens="4")
    with start_simulator(sim) as simulator:
        monitor = Monitor(
            tmp_path,
            _target("a", "sim", simulator.base_url),
            interval="50ms",
            data=tmp_path / "data",
        )
        lives = []
        for _ in range(3):
            before = len(monitor.rows())
            with monitor.running():
                until(lambda before=before: len(monitor.rows()) >= before + 20, "twenty probes")
                monitor.process.send_signal(signal.SIGKILL)
                monitor.process.wait()
            lives.append(len(monitor.rows()) - before)
        with monitor.running():
            until(lambda: len(monitor.rows()) > sum(lives), "a probe after the kills")
            now = monitor.get("/api/v1/targets/a")["now"]
            # What was before the kills is there: nothing failed, in all of its lives.
            assert now["availability_24h"] == 1.0
            assert now["probes_1h"] >= sum(lives)
        sent = simulator.log()
    assert len(monitor.rows()) >= len(sent) - 3
    assert {row["status"] for row in monitor.rows()} <= {"ok", "cancelled"}


@contextmanager
def _mounted(*what: str | Path) -> Iterator[None]:
    done = subprocess.run(["mount", *map(str, what)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(what[-1])], check=True)


def test_a_full_disk_is_said_and_nothing_measured_is_lost(tmp_path: Path) -> None:
    sim = SimConfig.from_options(ttft="10ms", gap="1ms", tokens="8")
    data = tmp_path / "data"
    data.mkdir()
    with (
        start_simulator(sim) as simulator,
        _mounted("-t", "tmpfs", "-o", "size=300k", "none", data),
    ):
        url = simulator.base_url
        monitor = Monitor(tmp_path, _target("a", "sim", url), interval="50ms", data=data)
        with monitor.running():
            until(lambda: len(monitor.rows()) >= 5, "the first probes")
            filler = data / "filler"
            fill(filler)
            said = until(lambda: monitor.get("/readyz")["problems"], "the full disk")
            assert any("No space left" in one for one in said)
            assert monitor.get("/readyz")["ready"]
            full = monitor.get("/api/v1/targets/a")["now"]["probes_1h"]
            until(
                lambda: monitor.get("/api/v1/targets/a")["now"]["probes_1h"] > full + 10,
                "probes while the disk is full",
            )
            filler.unlink()
            until(lambda: not monitor.get("/readyz")["problems"], "an end of the trouble")
            assert "latency_lens_history_lost_total 0" in monitor.text("/metrics")
        rows = monitor.rows()
        sent = simulator.log()
    # One may have been under way when it was stopped, and that one is recorded too.
    assert len({row["id"] for row in rows}) == len(rows) == len(sent)


def fill(file: Path) -> None:
    """Take all the room that there is."""
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(b"x" * 4096)


def _as_nobody(data: Path) -> Sequence[str]:
    """A shell's words: everything read-only but the data folder, and no rights."""
    script = (
        f"mount --bind {data} {data} && mount -o remount,bind,ro / &&"
        ' exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs "$@"'
    )
    return ["unshare", "--mount", "sh", "-ec", script, "sh"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are for one user."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_it_runs_without_rights_where_only_its_folder_can_be_written(open_folder: Path) -> None:
    sim = SimConfig.from_options(ttft="10ms", gap="1ms", tokens="4")
    data = open_folder / "data"
    data.mkdir()
    if os.geteuid() or subprocess.run([*_as_nobody(data), "true"], check=False).returncode:
        pytest.skip("no file system can be made read-only here")
    os.chown(data, 65534, 65534)
    with start_simulator(sim) as simulator:
        url = simulator.base_url
        monitor = Monitor(open_folder, _target("a", "sim", url), interval="50ms", data=data)
        monitor.file.chmod(0o644)
        with monitor.running(*_as_nobody(data), cwd=Path("/")):
            until(lambda: len(monitor.rows()) >= 5, "five probes")
            status = Path(f"/proc/{monitor.process.pid}/status").read_text()
            assert "\nUid:\t65534" in status
            assert monitor.get("/readyz")["problems"] == []
            assert "<html" in monitor.text("/")
        assert monitor.process.returncode == 0
    assert {path.stat().st_uid for path in data.rglob("*")} == {65534}
    assert {oct(path.stat().st_mode & 0o777) for path in data.rglob("*")} <= {"0o700", "0o600"}
    assert "Traceback" not in monitor.log.read_text()


def test_a_stop_is_quick_while_browsers_listen(tmp_path: Path) -> None:
    monitor = Monitor(
        tmp_path,
        _target("a", "m", "http://127.0.0.1:1/v1"),
        interval="1h",
        data=tmp_path / "data",
    )
    with monitor.running():
        streams = [urlopen(f"http://127.0.0.1:{monitor.port}/api/v1/events") for _ in range(3)]
        begun = time.monotonic()
        monitor.process.send_signal(signal.SIGTERM)
        monitor.process.wait(10)
        took_s = time.monotonic() - begun
        for stream in streams:
            stream.close()
    assert monitor.process.returncode == 0
    assert took_s < 4.0
