"""Every query of the dashboards and the rules, asked of a Prometheus that scrapes the monitor."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import receivers
import yaml
from real_command import COMMAND
from real_parts import ROOT
from real_servers import free_port, running
from receivers import Receiver, until

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

pytestmark = pytest.mark.real

BOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
RULES = ROOT / "deploy/prometheus/latency-lens.rules.yml"
CHOSEN = {
    "$provider": ".*", "$model": ".*", "$target": ".*", "$window": "30s", "$__rate_interval": "30s",
}  # fmt: skip
"""What stands for the variables of a dashboard."""
_TARGET = "{{name: {name}, provider: openai, model: sim, base_url: '{url}', api_key: k, prompt: Hi,\
 interval: 0.5s, max_tokens: 8, objectives: ['ttft_ms.p95<800', 'error_rate<1%']}}"
_FILE = """\
listen: 127.0.0.1:{port}
data_dir: {folder}/data
prices: {folder}/prices.yaml
targets: [{targets}]
push: [{{url: 'influx+http://127.0.0.1:{nobody}?db=x', interval: 1s}}]
"""
_PRICES = """\
prices:
  - {provider: openai, model: sim, input: 1, output: 2}
"""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """It has scraped a monitor of one target that answers, and one that fails at times."""
    folder = tmp_path_factory.mktemp("dashboards")
    good = SimConfig.from_options(ttft="20ms", gap="2ms", limits="requests:100000/60s")
    bad = SimConfig.from_options(ttft="20ms", gap="2ms", faults="503:50%")
    port = free_port()
    with start_simulator(good) as one, start_simulator(bad) as other:
        (folder / "prices.yaml").write_text(_PRICES)
        targets = ", ".join(
            _TARGET.format(name=name, url=sim.base_url)
            for name, sim in (("good", one), ("bad", other))
        )
        file = folder / "monitor.yaml"
        file.write_text(_FILE.format(port=port, folder=folder, targets=targets, nobody=free_port()))
        command = [str(COMMAND), "monitor", "--config", str(file)]
        with (
            running(command, port, folder / "monitor.log"),
            receivers.prometheus(folder, f"127.0.0.1:{port}", "metrics") as found,
        ):
            until(lambda: scraped(found), "the third scrape of failures")
            yield found


def scraped(prometheus: Receiver) -> bool:
    """Whether there is something of everything: rates need two scrapes."""
    seen = asked(prometheus, "min(count_over_time(latency_lens_errors_total[30s]))")
    return bool(seen) and float(seen[0]["value"][1]) >= 3


def asked(prometheus: Receiver, query: str) -> list[Any]:
    answer = prometheus.get("/api/v1/query", query=query)
    assert answer["status"] == "success"
    found: list[Any] = answer["data"]["result"]
    return found


def queries(board: Path) -> list[tuple[str, str]]:
    """Title of the panel and expression, with the variables filled in."""
    panels = json.loads(board.read_text())["panels"]
    found = []
    for panel in panels:
        for target in panel.get("targets", ()):
            expr = target["expr"]
            for name, value in CHOSEN.items():
                expr = expr.replace(name, value)
            found.append((panel["title"], expr))
    return found


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_every_panel_has_something_to_show(board: Path, prometheus: Receiver) -> None:
    asks = queries(board)
    assert len(asks) > 15
    empty = [title for title, expr in asks if not asked(prometheus, expr)]
    assert empty == []


def test_a_figure_of_the_board_is_the_monitors_own(prometheus: Receiver) -> None:
    (failed,) = (expr for title, expr in queries(BOARDS[0]) if title == "Failed")
    share = float(asked(prometheus, failed)[0]["value"][1])
    assert 0.05 < share < 0.5
    expr = dict(queries(BOARDS[0]))["TTFT p50"]
    times = {one["metric"].get("target"): float(one["value"][1]) for one in asked(prometheus, expr)}
    assert 0.015 < times["good"] < 0.05


def test_rules_ask_for_what_there_is(prometheus: Receiver) -> None:
    """Metrics that rules name are those of the monitor, or other rules'."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    there = set(prometheus.get("/api/v1/label/__name__/values")["data"])
    for rule in rules:
        told = prometheus.get("/api/v1/format_query", query=rule["expr"])["data"]
        for name in names_in(told):
            assert name in there | recorded, rule


def names_in(query: str) -> set[str]:
    """The names of the monitor's metrics in a query."""
    words = "".join(c if c.isalnum() or c in "_:" else " " for c in query).split()
    return {word for word in words if word.startswith("latency_lens")} - {"latency_lens"}


def test_promtool_has_nothing_to_say_of_the_metrics(prometheus: Receiver) -> None:
    target = prometheus.get("/api/v1/targets")["data"]["activeTargets"][0]["scrapeUrl"]
    text = Receiver(target.split("/")[2], prometheus.log).text("/metrics")
    ran = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
