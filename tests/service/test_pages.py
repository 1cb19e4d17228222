"""The pages as a browser without JavaScript has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from watched_monitor import NOW_UNIX_S, TOKEN, FakeMonitor, failed, guarded, promises, row, target

from llm_latency_lens.request import Secret
from llm_latency_lens.service import pages
from llm_latency_lens.service.alerts import Incident, Note
from llm_latency_lens.service.api import Desk
from llm_latency_lens.service.config import AlertsConfig, ReceiverConfig
from llm_latency_lens.service.monitor import Reload
from llm_latency_lens.service.pages.drawing import bar, spark, strip
from llm_latency_lens.service.pages.spans import span_of
from llm_latency_lens.service.push import PushHealth
from llm_latency_lens.service.sessions import COOKIE, session_of

HOSTILE = "<script>alert(1)</script>"
REVERSED = "\u202eabc"
BASE = "http://127.0.0.1:9464"


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[FakeMonitor]:
    with FakeMonitor(
        tmp_path,
        target("mini", labels={"team": "search"}, promises=promises(), api_key=Secret("sk-12345")),
        target("haiku-eu", provider="anthropic", model="claude-haiku-4-5", region="eu"),
        target("new", provider="mistral", model=HOSTILE + REVERSED, api_key_env="MISTRAL_KEY"),
    ) as found:
        for place in range(30, 0, -1):
            found.keep(row("mini", NOW_UNIX_S - 60 * place, ttft_ms=100.0 + place))
        for back in (90, 60, 30):
            found.keep(failed("haiku-eu", NOW_UNIX_S - back, http_status=503))
        yield found


def client_of(monitor: FakeMonitor) -> TestClient:
    app = guarded(monitor, pages.routes(Desk(monitor)))
    return TestClient(app, base_url=BASE, headers={"accept": "text/html", "origin": BASE})


@pytest.fixture
def client(monitor: FakeMonitor) -> Iterator[TestClient]:
    """One that has logged in."""
    with client_of(monitor) as found:
        found.cookies.set(COOKIE, session_of(Secret(TOKEN)))
        yield found


class _Text(HTMLParser):
    """What is to be read, and which addresses are named."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [given[name] or "" for name in ("href", "src", "action") if name in given]
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.inline.append(tag)
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def seen(client: TestClient, path: str, status: int = 200) -> str:
    """The text of a page, which loads nothing from elsewhere and holds no script of its own."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    text = _Text()
    text.feed(answer.text)
    assert text.inline == []
    assert [link for link in text.links if not link.startswith("/")] in ([], ["#main"])
    assert "sk-12345" not in answer.text
    assert TOKEN not in answer.text
    assert "secret words" not in answer.text
    assert HOSTILE not in answer.text
    assert REVERSED not in answer.text
    return " ".join(" ".join(text.parts).split())


def trouble(**more: Any) -> Incident:
    given: dict[str, Any] = {
        "id": "a", "kind": "down", "severity": "critical", "what": "", "target": "haiku-eu",
        "sentence": "haiku-eu is down", "opened_unix_s": NOW_UNIX_S - 60.0,
        "since_unix_s": NOW_UNIX_S - 90.0,
    }  # fmt: skip
    return Incident(**{**given, **more})


# --- all targets ----------------------------------------------------------------------------


def test_the_overview_says_how_all_stand(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.alerts.all = [trouble()]
    text = seen(client, "/")
    assert "up 1 of 3 1 not known" in text
    assert "down 1" in text
    assert "available, last hour 50 % 33 probes" in text
    assert "cost today $0.003" in text
    assert "critical haiku-eu is down for 1 min 30 s" in text
    assert text.index("claude-haiku-4-5 · eu down 1 incident") < text.index("gpt-4o-mini up")
    assert "server" not in text
    assert "timeout 503" in text
    assert "no probe yet" in text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["haiku-eu", "new", "mini"]),
        ("?sort=name", ["haiku-eu", "mini", "new"]),
        ("?sort=p95", ["mini", "haiku-eu", "new"]),
        ("?sort=availability", ["haiku-eu", "mini", "new"]),
        ("?sort=cost", ["mini", "haiku-eu", "new"]),
        ("?q=HAIKU eu", ["haiku-eu"]),
        ("?provider=openai", ["mini"]),
        ("?label=team%3Dsearch", ["mini"]),
        ("?state=unknown&q=", ["new"]),
        ("?q=zzz", []),
    ],
)
def test_targets_are_chosen_and_sorted(client: TestClient, query: str, names: list[str]) -> None:
    text = client.get(f"/{query}").text
    assert re.findall(r'<tr data-key="([^"]+)"', text) == names
    assert ("No target fits" in text) is (not names)


@pytest.mark.parametrize("query", ["?colour=red", "?sort=colour"])
def test_wrong_filters_are_told(client: TestClient, query: str) -> None:
    assert "That cannot be shown" in seen(client, f"/{query}", 400)


def test_a_refused_configuration_is_on_every_page(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.last_reload = Reload(NOW_UNIX_S - 5.0, "monitor.yaml:3: unknown name")
    for path in ("/", "/about", "/targets/mini"):
        assert "was refused , and the one before it is kept: monitor.yaml:3" in seen(client, path)


# --- one target -----------------------------------------------------------------------------


def test_a_target_over_time(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.alerts.noted = [
        Note(at_unix_s=NOW_UNIX_S - 70.0, kind="model", text="another model", target="mini")
    ]
    answer = client.get("/targets/mini?range=1h")
    text = seen(client, "/targets/mini?range=1h")
    assert "TTFT p50 116 ms the last 1 h" in text
    assert "available 100 % 0 of 30 probes failed" in text
    assert "team search" in text
    assert "another model" in text
    assert "No probe failed in this time." in text
    assert "All figures by 2 min" in text
    island = re.search(r'<script type="application/json" id="data">(.*?)</script>', answer.text)
    assert island
    data = json.loads(island[1])
    assert len(data["at"]) == len(data["figures"]["ttft_ms"]["p95"]) == 31
    assert sum(data["count"]) == 30
    assert data["notes"] == [{"at": NOW_UNIX_S - 70.0, "told": "another model"}]
    assert data["days"]["cost"][-1] == pytest.approx(0.003)


def test_objectives_of_a_target(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.alerts.rates["mini"] = [
        ("ttft_ms<800 in 99 %", "1h", 14.4), ("ttft_ms<800 in 99 %", "30d", 0.9),
        ("error_rate<1%", "1h", 0.0), ("error_rate<1%", "30d", 500.0),
    ]  # fmt: skip
    text = seen(client, "/targets/mini")
    assert "ttft_ms<800 in 99 % 99 % 14.4 0.9 10 %" in text
    assert "error_rate<1% 99 % 0 500 overdrawn" in text


def test_a_target_that_is_down(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.alerts.all = [
        trouble(),
        trouble(id="b", resolved_unix_s=NOW_UNIX_S - 90_000.0, since_unix_s=NOW_UNIX_S - 99_000.0,
                sentence="of the day before yesterday"),
    ]  # fmt: skip
    text = seen(client, "/targets/haiku-eu")
    assert "down 3 failures in a row" in text
    assert "0 of 3 probes were answered. By 10 min. Failures: 3 timeout." in text
    assert "No probe succeeded in this time." in text
    assert re.search(r"3 times since \S+ \S+ UTC timeout 503 wait no answer in 30 s", text)
    assert "haiku-eu is down" in text
    assert "yesterday" not in text


def test_a_target_that_was_never_asked(client: TestClient) -> None:
    text = seen(client, "/targets/new")
    assert "No probe yet The first one comes within 1 min." in text
    assert 'id="data"' not in client.get("/targets/new").text


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/targets/nobody", 404, "No target is named 'nobody'."),
        ("/nothing", 404, "There is no page at /nothing."),
        ("/targets/mini?range=2h", 400, "There is no range '2h': choose 1h, 6h, 24h, 7d, 30d."),
        ("/compare?target=nobody", 404, "No target is named 'nobody'."),
        ("/compare?figure=speed", 400, "There is no figure 'speed'"),
        ("/compare?decide=all", 400, "There is no profile 'all'"),
        ("/compare?x=1", 400, "There is no parameter 'x'"),
        ("/incidents?target=nobody", 404, "No target is named 'nobody'."),
    ],
)
def test_what_is_not_there(client: TestClient, path: str, status: int, told: str) -> None:
    assert told in seen(client, path, status)


def test_a_probe_without_javascript(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.answers["haiku-eu"] = failed("haiku-eu", NOW_UNIX_S, http_status=503)
    answer = client.post("/targets/haiku-eu/probe", follow_redirects=False)
    assert answer.status_code == 303
    assert "The probe failed: timeout 503." in seen(client, answer.headers["location"])
    assert client.post("/targets/new/probe").status_code == 400


# --- several --------------------------------------------------------------------------------


def test_a_comparison(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.keep(*(row("haiku-eu", NOW_UNIX_S - 60 * n, ttft_ms=500.0) for n in range(30, 0, -1)))
    text = seen(client, "/compare?target=mini&target=haiku-eu&figure=ttft_ms&range=6h")
    assert "Median TTFT" in text
    assert "mini 30 100 % 116 ms" in text
    assert "haiku-eu 33 90.91 % 500 ms" in text
    decided = seen(client, "/compare?target=mini&target=haiku-eu&decide=cheapest")
    assert "resamples, for the least money." in decided
    assert "There is no decision: a choice needs two targets or more." in seen(
        client, "/compare?target=mini&decide=batch"
    )


def test_a_comparison_of_none_and_of_too_many(tmp_path: Path) -> None:
    with FakeMonitor(tmp_path, *(target(f"t{n}") for n in range(9)), token=None) as monitor:
        every = "&".join(f"target=t{n}" for n in range(9))
        with client_of(monitor) as client:
            assert "Nothing chosen yet" in seen(client, "/compare")
            text = seen(client, f"/compare?{every}")
        assert "Only the first 8 are shown" in text
        assert "t7 0 –" in text
        assert "No probe succeeded in this time." in text


# --- incidents, silences, about -------------------------------------------------------------


def test_incidents_and_silences(monitor: FakeMonitor, client: TestClient) -> None:
    assert "No open incident" in seen(client, "/incidents")
    monitor.alerts.all = [
        trouble(), trouble(id="b", target="mini", resolved_unix_s=NOW_UNIX_S - 30.0, ending="gone")
    ]  # fmt: skip
    form = {"target": "haiku-eu", "for": "4h", "comment": "known"}
    answer = client.post("/incidents/silences", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents")
    text = seen(client, "/incidents")
    assert "for 1 min 30 s · silenced" in text
    assert "lasted 1 min: gone" in text
    assert "target haiku-eu" in text
    assert "lasted" not in seen(client, "/incidents?target=haiku-eu")
    (one,) = monitor.alerts.silent
    assert (one.until_unix_s, one.comment) == (NOW_UNIX_S + 4 * 3600, "known")
    client.post(f"/incidents/silences/{one.id}/end")
    assert monitor.alerts.silent == []
    assert client.post("/incidents/silences/x/end").status_code == 404


def test_a_silence_that_is_none(monitor: FakeMonitor, client: TestClient) -> None:
    answer = client.post("/incidents/silences", data={"target": "", "for": "for ever"})
    assert answer.status_code == 400
    assert "Nothing is silenced: choose for how long." in answer.text
    client.post("/incidents/silences", data={"for": "1h", "comment": "all"})
    assert monitor.alerts.silent[0].matchers == {"target": "*"}


def test_about(tmp_path: Path) -> None:
    receivers = (ReceiverConfig(name="ops", kind="slack", url=Secret("https://hooks/sk-12345")),)
    with FakeMonitor(
        tmp_path, target("mini", api_key_file=Path("/run/key")), token=None,
        alerts=AlertsConfig(receivers=receivers),
    ) as monitor:  # fmt: skip
        monitor.pushes.all = [PushHealth("http://influx:8086", 5, 2_000_000, 1, "refused")]
        text = seen(client_of(monitor), "/about")
        assert "alerts to ops (slack)" in text
        assert "http://influx:8086 5 sent, 2.0 MB waiting, 1 lost: refused" in text
        assert "from a file: /run/key" in text
        assert "open to read; nothing can be changed" in text
        assert "To silence from here, give the monitor a token." in seen(
            client_of(monitor), "/incidents"
        )


# --- who may look ---------------------------------------------------------------------------


def test_a_browser_logs_in_and_out(client: TestClient) -> None:
    client.cookies.clear()
    first = client.get("/targets/mini", follow_redirects=False)
    assert first.headers["location"] == "/login?next=%2Ftargets%2Fmini"
    assert 'value="/targets/mini"' in client.get(first.headers["location"]).text
    wrong = client.post("/login", data={"token": "guess", "next": "/"})
    assert wrong.status_code == 401
    assert "That is not the token." in wrong.text
    form = {"token": TOKEN, "next": "/targets/mini"}
    entered = client.post("/login", data=form, follow_redirects=False)
    assert (entered.status_code, entered.headers["location"]) == (303, "/targets/mini")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert "Log out" in seen(client, "/targets/mini")
    client.post("/logout")
    assert client.get("/", follow_redirects=False).status_code == 303


def test_no_other_site_can_ask(client: TestClient) -> None:
    elsewhere = {"origin": "https://evil.example"}
    assert client.post("/targets/mini/probe", headers=elsewhere).status_code == 403
    form = {"token": TOKEN}
    assert client.post("/login", data=form, headers=elsewhere).status_code == 403


@pytest.mark.parametrize(
    "there", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_login_leads_nowhere_else(client: TestClient, there: str) -> None:
    form = {"token": TOKEN, "next": there}
    assert client.post("/login", data=form, follow_redirects=False).headers["location"] == "/"


def test_without_a_token_nobody_logs_in(tmp_path: Path) -> None:
    open_to_all = FakeMonitor(tmp_path, target("mini"), token=None)
    with open_to_all as monitor, client_of(monitor) as client:
        for method in ("GET", "POST"):
            answer = client.request(method, "/login", follow_redirects=False)
            assert answer.headers["location"] == "/"
        assert "Probe now" not in seen(client, "/targets/mini")


# --- files and pictures ---------------------------------------------------------------------


def test_files_are_kept_for_ever_under_the_address_of_their_version(client: TestClient) -> None:
    page = client.get("/").text
    files = re.findall(r'"(/static/[^"]+)"', page)
    assert len(files) >= 5
    for path in files:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")
    old = client.get("/static/0123/main.js")
    assert old.status_code == 200
    assert old.headers["cache-control"] == "no-store"
    assert client.get("/static/0123/secret.txt").status_code == 404


def test_a_sparkline() -> None:
    drawn = spark([100.0, None, 50.0])
    assert 'aria-label="2 of the last 3 probes answered"' in drawn
    assert drawn.count("M") == 4  # two pieces of line, one tick, the ground
    assert "svg" not in spark([])
    assert "h0.01" in spark([5.0])
    assert 'class="failed"' not in spark([0.0, 0.0])


def test_a_strip_and_a_bar() -> None:
    drawn = strip([0.0, 0.0, None, 0.2, 0.5], "<all>")
    cell = r'<rect x="(\d)" y="0" width="(\d)" height="1"(?: class="(\w+)")?/>'
    assert re.findall(cell, drawn) == [
        ("0", "2", ""), ("2", "1", "none"), ("3", "1", "some"), ("4", "1", "most"),
    ]  # fmt: skip
    assert "<title>&lt;all&gt;</title>" in drawn
    assert 'width="0.0"' in bar(-3.0, "bad")


def test_spans_are_in_whole_steps() -> None:
    span = span_of("7d", NOW_UNIX_S, 60.0)
    assert span.step_s == 3600
    assert span.since_unix_s % 3600 == span.until_unix_s % 3600 == 0
    assert len(span.places) in (168, 169)
    assert span_of(None, NOW_UNIX_S, 3600.0).step_s == 7200
