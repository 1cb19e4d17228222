"""What the interface answers, and what it says of what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from watched_monitor import NOW_UNIX_S, TOKEN, FakeMonitor, failed, guarded, promises, row, target

from llm_latency_lens.service import api
from llm_latency_lens.service.alerts import Incident, Note
from llm_latency_lens.service.api import Desk
from llm_latency_lens.service.api.deciding import Wanted
from llm_latency_lens.service.api.desk import WAITING
from llm_latency_lens.service.api.faults import BusyError

KEY = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[FakeMonitor]:
    with FakeMonitor(
        tmp_path,
        target(
            "mini",
            labels={"team": "search"},
            promises=promises(),
            base_url="https://user:secret@api.example.com/v1?key=secret",
        ),
        target("haiku-eu", provider="anthropic", model="claude-haiku-4-5", region="eu"),
    ) as found:
        yield found


def client_of(monitor: FakeMonitor, key: dict[str, str] | None = None) -> TestClient:
    app = guarded(monitor, api.routes(Desk(monitor)))
    headers = KEY if key is None else key
    return TestClient(app, base_url="http://127.0.0.1:9464", headers=headers)


@pytest.fixture
def client(monitor: FakeMonitor) -> Iterator[TestClient]:
    with client_of(monitor) as found:
        yield found


def got(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def refused(client: TestClient, path: str, **query: Any) -> tuple[int, str]:
    answer = client.get(f"/api/v1{path}", params=query)
    found = answer.json()
    assert found["status"] == answer.status_code
    assert "\n" not in found["error"]
    return answer.status_code, found["error"]


def test_targets_are_told_without_what_is_secret(client: TestClient) -> None:
    answer = client.get("/api/v1/targets")
    mini, haiku = answer.json()["targets"]
    assert mini["base_url"] == "https://api.example.com/v1"
    assert mini["objectives"] == ["ttft_ms<800 in 99 %", "error_rate<1%"]
    assert (haiku["name"], haiku["base_url"], haiku["region"]) == ("haiku-eu", None, "eu")
    assert "secret" not in answer.text


def test_one_target(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.keep(row("haiku-eu", NOW_UNIX_S - 30))
    found = got(client, "/targets/haiku-eu")
    assert found["target"]["model"] == "claude-haiku-4-5"
    assert found["now"]["state"] == "up"
    assert found["schedule"]["next_unix_s"] == NOW_UNIX_S + 30.0
    assert refused(client, "/targets/nobody") == (404, "no target is named 'nobody'")


def test_error_budgets(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.alerts.rates["mini"] = [
        ("ttft_ms<800 in 99 %", "1h", 3.0), ("ttft_ms<800 in 99 %", "30d", 0.25),
        ("error_rate<1%", "1h", 0.0), ("error_rate<1%", "30d", 2.0),
    ]  # fmt: skip
    first, second = got(client, "/targets/mini")["budgets"]
    assert first == {
        "objective": "ttft_ms<800 in 99 %",
        "share": 0.99,
        "left": 0.75,
        "burn_rates": {"1h": 3.0, "30d": 0.25},
    }
    assert second["left"] == -1.0
    assert got(client, "/targets/haiku-eu")["budgets"] == []


def test_the_latest(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.keep(row("mini", NOW_UNIX_S - 90), failed("mini", NOW_UNIX_S - 30))
    found = got(client, "/latest")
    assert found["at_unix_s"] == NOW_UNIX_S
    mini, haiku = found["targets"]
    assert mini["sparkline"] == [200.0, None]
    assert mini["last"]["error_kind"] == "timeout"
    assert haiku["state"] == "unknown"
    assert [one["name"] for one in got(client, "/latest", target="mini")["targets"]] == ["mini"]
    assert refused(client, "/latest", target="m")[0] == 404


def test_a_series_in_steps(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.keep(
        row("mini", NOW_UNIX_S - 110, ttft_ms=100.0),
        row("mini", NOW_UNIX_S - 100, ttft_ms=300.0),
        failed("mini", NOW_UNIX_S - 30),
        row("haiku-eu", NOW_UNIX_S - 100, ttft_ms=999.0),
    )
    found = got(client, "/series", target="mini", since="10m", step="60s", metric="ttft_ms,e2e_ms")
    assert found["step_s"] == 60.0
    assert found["until_unix_s"] - found["since_unix_s"] == 660.0
    first, second = found["points"]
    assert (first["count"], first["ok"], second["errors"]) == (2, 2, {"timeout": 1})
    assert first["ttft_ms"]["p50"] == pytest.approx(200.0)
    assert Decimal(str(first["cost_usd"])) == Decimal("0.0002")
    assert first["itl_ms"] is None
    assert first["ttft_histogram"] == []
    with_maps = got(client, "/series", target="mini", since="10m", step="60s", histograms="true")
    assert sum(count for _, count in with_maps["points"][0]["ttft_histogram"]) == 2


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "target is missing: the name of a target"),
        ({"target": "mini", "setp": "1m"}, "there is no parameter 'setp': did you mean step?"),
        ({"target": "mini", "since": "soon"}, "since: must be Unix seconds, a moment such as"),
        ({"target": "mini", "since": "-5m"}, "since: must be Unix seconds"),
        ({"target": "mini", "step": "0"}, "step: must be a length of time such as 60s"),
        ({"target": "mini", "step": "1s"}, "that is more than 1000 points: ask for a shorter time"),
        ({"target": "mini", "since": "now", "until": "1h"}, "since must be before until"),
        ({"target": "mini", "metric": "ttft"}, "there is no 'ttft': did you mean ttft_ms?"),
        ({"target": "mini", "histograms": "yes"}, "histograms: must be true or false, not 'yes'"),
        ({"target": ["mini", "mini"]}, "target is given twice"),
    ],
)
def test_wrong_parameters(client: TestClient, query: dict[str, Any], told: str) -> None:
    status, error = refused(client, "/series", **query)
    assert status == 400
    assert told in error


@pytest.mark.parametrize(
    "since",
    [str(NOW_UNIX_S - 600), "2026-09-21T14:03:20Z", "2026-09-21T16:03:20+02:00", "600", "10m"],
)
def test_moments_in_every_form(monitor: FakeMonitor, client: TestClient, since: str) -> None:
    monitor.keep(row("mini", NOW_UNIX_S - 599), row("mini", NOW_UNIX_S - 601))
    if since == "600":  # Unix seconds: since 1970
        assert len(got(client, "/probes", target="mini", since=since)["probes"]) == 2
    else:
        assert len(got(client, "/probes", target="mini", since=since)["probes"]) == 1


def test_the_longest_times(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.keep(row("mini", NOW_UNIX_S - 50))
    whole = {"target": "mini", "since": "1970-01-01", "until": "9000000000"}
    assert len(got(client, "/probes", **whole)["probes"]) == 1
    (point,) = got(client, "/series", **whole, step="9999999d")["points"]
    assert point["count"] == 1
    assert len(got(client, "/series", **whole)["points"]) == 1
    assert got(client, "/notes", **whole) == {"notes": []}


def test_single_probes(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.keep(*(row("mini", NOW_UNIX_S - at) for at in (50, 40, 30)))
    monitor.keep(failed("mini", NOW_UNIX_S - 20))
    found = got(client, "/probes", target="mini", limit=2)
    assert [one["status"] for one in found["probes"]] == ["failed", "ok"]
    assert found["more"] is True
    found = got(client, "/probes", target="mini", failed="true")
    assert [one["error"] for one in found["probes"]] == ["no answer in 30 s"]
    assert found["more"] is False
    assert refused(client, "/probes", target="mini", limit=0)[0] == 400


def incident(id: str, target: str, resolved_unix_s: float | None = None) -> Incident:
    return Incident(
        id=id, kind="down", severity="critical", what="", sentence=f"{target} is down",
        opened_unix_s=NOW_UNIX_S - 60.0, since_unix_s=NOW_UNIX_S - 90.0,
        resolved_unix_s=resolved_unix_s, target=target,
    )  # fmt: skip


def test_incidents_and_notes(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.alerts.all = [incident("b", "mini"), incident("a", "haiku-eu", NOW_UNIX_S - 10.0)]
    assert [one["id"] for one in got(client, "/incidents")["incidents"]] == ["b", "a"]
    assert [one["id"] for one in got(client, "/incidents", open="true")["incidents"]] == ["b"]
    found = got(client, "/incidents", target="haiku-eu")["incidents"]
    assert [one["sentence"] for one in found] == ["haiku-eu is down"]
    monitor.alerts.noted = [
        Note(at_unix_s=NOW_UNIX_S - 9.0, target="mini", kind="model", text="another model")
    ]
    assert [one["text"] for one in got(client, "/notes", target="mini")["notes"]] == [
        "another model"
    ]
    assert got(client, "/notes", target="haiku-eu") == {"notes": []}


def test_silences_come_and_go(client: TestClient) -> None:
    wanted = {"matchers": {"target": "mini"}, "lasts": "4h", "comment": "known"}
    made = client.post("/api/v1/silences", json=wanted)
    assert made.status_code == 201
    assert made.json()["until_unix_s"] == NOW_UNIX_S + 4 * 3600
    (found,) = got(client, "/silences")["silences"]
    assert found == made.json()
    assert client.delete(f"/api/v1/silences/{found['id']}").status_code == 204
    assert got(client, "/silences") == {"silences": []}
    gone = client.delete(f"/api/v1/silences/{found['id']}")
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"matchers": {"target": "*"}, "lasts": "soon"}, "lasts must be a length of time"),
        ({"matchers": {"target": "*"}, "lasts": "2000d"}, "within a year"),
        ({"matchers": {"colour": "*"}, "lasts": "1h"}, "cannot match 'colour'"),
        ({"lasts": "1h"}, "missing required field `matchers`"),
        ({"matchers": {}, "lasts": "1h", "what": 1}, "unknown field `what`"),
    ],
)
def test_wrong_silences(client: TestClient, body: Any, told: str) -> None:
    answer = client.post("/api/v1/silences", json=body)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


def test_a_probe_that_is_asked_for(monitor: FakeMonitor, client: TestClient) -> None:
    monitor.answers["mini"] = row("mini", NOW_UNIX_S, asked_for=True)
    answer = client.post("/api/v1/probe", json={"target": "mini"})
    assert (answer.status_code, answer.json()["ttft_ms"]) == (200, 200.0)
    broke = client.post("/api/v1/probe", json={"target": "haiku-eu"})
    assert broke.status_code == 400
    assert broke.json()["error"] == "the money that haiku-eu may cost today is spent"
    assert client.post("/api/v1/probe", json={"target": "nobody"}).status_code == 404
    assert monitor.asked == ["mini", "haiku-eu"]


def test_what_changes_something_needs_a_token(monitor: FakeMonitor) -> None:
    stranger = client_of(monitor, {})
    assert stranger.post("/api/v1/probe", json={"target": "mini"}).status_code == 401
    assert stranger.get("/api/v1/targets").status_code == 401
    assert monitor.asked == []


def test_nothing_can_be_changed_without_a_token(tmp_path: Path) -> None:
    with FakeMonitor(tmp_path, target("mini"), token=None) as monitor:
        open_app = Starlette(routes=api.routes(Desk(monitor)))
        client = TestClient(open_app)
        assert client.get("/api/v1/targets").status_code == 200
        answer = client.post("/api/v1/probe", json={"target": "mini"})
        assert answer.status_code == 403
        assert "this needs a token" in answer.json()["error"]
        assert client.delete("/api/v1/silences/x").status_code == 403


@pytest.mark.parametrize(
    ("headers", "body", "told"),
    [
        ({"content-type": "text/plain"}, b'{"target": "mini"}', "send it with Content-Type"),
        ({"content-type": "application/json"}, b"{", "the body is not as it must be"),
        ({"content-type": "application/json"}, b"\xff", "the body is not as it must be"),
        ({"content-type": "application/json"}, b'{"target": 5}', "Expected `str`, got `int`"),
    ],
)
def test_wrong_bodies(client: TestClient, headers: dict[str, str], body: bytes, told: str) -> None:
    answer = client.post("/api/v1/probe", content=body, headers=headers)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


def measured(monitor: FakeMonitor, count: int = 40) -> None:
    """One target that is faster and cheaper than the other."""
    for place in range(count):
        at = NOW_UNIX_S - 60 * (place + 1)
        monitor.keep(
            row("mini", at, ttft_ms=200.0 + place * 17 % 40),
            row("haiku-eu", at, ttft_ms=900.0 + place * 17 % 40, cost_usd=Decimal("0.01")),
        )


def test_a_decision_over_what_was_measured(monitor: FakeMonitor, client: TestClient) -> None:
    measured(monitor)
    found = got(client, "/decision", minimise="ttft_ms.p50,cost", confidence="0.9")
    assert found["schema"] == "latency-lens.decision/1"
    assert (found["answer"], found["recommended"]) == ("decided", "mini")
    mini, haiku = found["candidates"]
    assert mini["requests"] == 40
    assert mini["figures"]["ttft_ms.p50"]["value"] == pytest.approx(219.5, rel=0.002)
    assert haiku["figures"]["cost.per_request"]["value"] == 0.01
    assert haiku["origin"] == {"provider": "anthropic", "model": "claude-haiku-4-5", "region": "eu"}
    wanted = {
        "targets": ["mini", "haiku-eu"],
        "since": "6h",
        "require": ["quality>=0.8"],
        "minimise": ["ttft_ms.p50"],
        "scores": {"mini": {"quality": 0.5}, "haiku-eu": {"quality": 0.9}},
    }
    answer = client.post("/api/v1/decision", json=wanted)
    assert answer.status_code == 200
    assert answer.json()["recommended"] == "haiku-eu"


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"targets": ["mini"]}, "a choice needs two targets or more"),
        ({"targets": ["mini", "x"]}, "no target is named 'x'"),
        ({"minimise": ["nothing"]}, "nothing"),
        ({"confidence": 2}, "confidence must be between 0.5 and 1"),
        ({"since": "later"}, "since or until must be"),
        ({"since": "1s"}, "no probe since 1s succeeded"),
        ({"scores": {"x": {"q": 1}}}, "no such candidate"),
    ],
)
def test_what_is_no_choice(
    monitor: FakeMonitor, client: TestClient, wanted: dict[str, Any], told: str
) -> None:
    measured(monitor, 3)
    answer = client.post("/api/v1/decision", json=wanted)
    assert answer.status_code in (400, 404)
    assert told in answer.json()["error"]


def test_a_choice_between_very_many(tmp_path: Path) -> None:
    many = (target(f"t{place}") for place in range(17))
    with FakeMonitor(tmp_path, *many) as monitor, client_of(monitor) as client:
        told = "a choice between 17 targets takes too long: name up to 16 of them with targets"
        assert refused(client, "/decision") == (400, told)
        told = "there is no 'batches': did you mean batch?"
        assert told in refused(client, "/decision", profile="batches")[1]
        told = "confidence: must be a number between 0.5 and 1, not 'high'"
        assert refused(client, "/decision", confidence="high") == (400, told)


def test_few_questions_are_worked_on_at_a_time(tmp_path: Path) -> None:
    with FakeMonitor(tmp_path, target("mini"), target("haiku")) as monitor:
        desk = Desk(monitor)

        async def run() -> list[BaseException | Any]:
            asking = (desk.series("mini", 0.0, 60.0, 60.0) for _ in range(WAITING + 1))
            asked = await asyncio.gather(*asking, return_exceptions=True)
            deciding = (desk.decision(Wanted(), 0.0, 60.0) for _ in range(2))
            return [*asked, *await asyncio.gather(*deciding, return_exceptions=True)]

        *found, refusal, decided, other = asyncio.run(run())
    assert found == [[]] * WAITING
    assert isinstance(refusal, BusyError)
    assert str(decided).startswith("no probe since 24h succeeded")
    assert isinstance(other, BusyError)


def test_other_methods_and_paths(client: TestClient) -> None:
    assert client.head("/api/v1/targets").status_code == 200
    assert client.put("/api/v1/targets").headers["allow"]
    assert refused(client, "/nothing") == (
        404, "GET /api/v1/nothing: not found; see /api/v1/openapi.json"
    )  # fmt: skip
    assert client.put("/api/v1/targets").json()["status"] == 405
