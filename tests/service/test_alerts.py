"""Incidents open and end, receivers hear of both, whatever happens to them or to us in between."""

from __future__ import annotations

import stat
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from math import exp
from pathlib import Path
from random import Random
from types import SimpleNamespace

import msgspec
import pytest
from alerts_world import HOOK, PROMISES, Past, World, lived, named, target

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.decide.shifts import Shifts
from llm_latency_lens.errors import SinkError, UsageError
from llm_latency_lens.service.alerts import Alerts
from llm_latency_lens.service.config import ReceiverConfig, SilenceConfig

CHAT = "chat (openai/gpt-4o-mini) in eu-west"
DAY_S = 86_400
PAGER = named(name="pager", min_severity="critical")
ALERTMANAGER = named(name="am", kind="alertmanager")


def texts(world: World, receiver: str = "ops") -> list[str]:
    """What people were told, message after message."""
    return [msgspec.json.decode(post.body)["text"] for name, post in world.sent if name == receiver]


def kinds(alerts: Alerts) -> list[str]:
    return sorted(incident.kind for incident in alerts.incidents(open_only=True))


# -- down and back ---------------------------------------------------------------------------


def test_a_target_is_down_after_three_failures_and_back_after_one_answer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(5)
        await world.minutes(2, ttft_ms=None)
        assert world.alerts.incidents() == []
        await world.minutes(3, ttft_ms=None)
        (found,) = world.alerts.incidents(open_only=True)
        assert (found.kind, found.severity, found.target) == ("down", "critical", "chat")
        await world.minutes(2)

    world = lived(World(tmp_path), story)
    (found,) = world.alerts.incidents()
    assert found.resolved_unix_s is not None
    assert texts(world) == [
        f"{CHAT}: down since 22:18 UTC: 3 probes in a row failed (timeout in wait)",
        f"resolved after 5 min 20 s | {CHAT}: down since 22:18 UTC: 5 probes in a row failed"
        " (timeout in wait)",
    ]


def test_what_opens_and_ends_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World) -> None:
        world.refuse = SinkError("no https://hooks.test/secret-path", later=True)
        await world.minutes(4, ttft_ms=None)
        await world.minutes(1)

    caplog.set_level("INFO")
    lived(World(tmp_path), story)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [(level, text[:14]) for level, text in said] == [
        ("WARNING", "chat (openai/g"), ("WARNING", "ops takes no a"), ("INFO", "resolved after"),
    ]  # fmt: skip
    assert "secret-path" not in caplog.text


def test_the_days_money_is_said_once_it_is_spent(tmp_path: Path) -> None:
    money = SimpleNamespace(spent_usd_today=Decimal("0.98"), out_of_money=True)

    async def story(world: World) -> None:
        await world.pass_s(60)
        assert kinds(world.alerts) == ["cost"]
        money.out_of_money = False
        await world.pass_s(60)

    world = lived(World(tmp_path, told={"standing": lambda _: money}), story)
    assert texts(world)[0].startswith(f"{CHAT}: asked no more until 00:00 UTC: 0.9800 dollars")
    assert texts(world)[1].startswith("resolved after")


def test_a_target_that_is_taken_out_is_watched_no_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(4, ttft_ms=None)
        world.targets = (target("other"),)
        world.alerts.configure(world.config())
        world.targets = (target("chat"),)
        world.probe()  # of a target that is gone
        await world.pass_s(60)

    (_, over) = texts(lived(World(tmp_path), story))
    assert over.startswith("resolved after")
    assert ": it is watched no more |" in over


def test_what_goes_on_keeps_its_past_when_the_configuration_is_read_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(2, ttft_ms=None)
        world.alerts.configure(world.config())
        await world.minutes(1, ttft_ms=None)
        assert kinds(world.alerts) == ["down"]

    lived(World(tmp_path), story)


def test_another_model_under_the_same_name_has_no_past(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(20, ttft_ms=900.0)
        old = world.alerts._watches["chat"]
        assert kinds(world.alerts) == ["burn_rate"]
        world.alerts.configure(world.config())
        new = world.alerts._watches["chat"]
        assert new.figures is old.figures
        world.alerts.configure(world.config(anomalies=False))
        assert world.alerts._watches["chat"].figures is not old.figures
        assert any(rate for _, _, rate in world.alerts.burn_rates("chat"))
        world.targets = (replace(world.targets[0], model="another"),)
        world.alerts.configure(world.config())
        assert not any(rate for _, _, rate in world.alerts.burn_rates("chat"))

    lived(_with_promises(tmp_path), story)


def test_a_cancelled_probe_is_neither(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(5, ttft_ms=None, status="cancelled")

    assert lived(World(tmp_path), story).alerts.incidents() == []


# -- one trouble, one message ----------------------------------------------------------------


def test_an_outage_of_a_provider_is_one_message(tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(8)]
    targets = (*(target(name) for name in names), target("claude", "anthropic"))

    async def story(world: World) -> None:
        for minute in range(8):
            for name in names:
                world.probe(name, ttft_ms=None if 1 <= minute < 5 else 400.0)
                await world.pass_s(7, 7)
            world.probe("claude")

    outage, over = texts(lived(World(tmp_path, targets), story))
    title, *lines = outage.splitlines()
    assert title == "openai: 8 targets down: t0, t1, t2, t3, t4 and 3 more"
    assert len(lines) == 8
    assert over.splitlines()[0] == (
        "openai: 8 targets: trouble is over: t0, t1, t2, t3, t4 and 3 more"
    )


def test_while_a_target_is_down_nobody_hears_of_its_budgets(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(10)
        await world.minutes(10, ttft_ms=None)
        assert kinds(world.alerts) == ["burn_rate", "burn_rate", "down"]
        await world.minutes(4)
        assert kinds(world.alerts) == ["burn_rate", "burn_rate"]

    assert [text.count("down since") for text in texts(lived(_with_promises(tmp_path), story))] == [
        1,
        1,
    ]


def test_a_budget_that_burns_is_told_with_its_figures(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(60)
        for _ in range(12):
            await world.minutes(1, ttft_ms=900.0)
            await world.minutes(1)

    (text,) = texts(lived(_with_promises(tmp_path), story))
    assert text == (
        f"{CHAT}: ttft_ms<800 in 99 % burns its error budget 15 times as fast as allowed"
        " (9 of 60 missed in 1 h; 97.9 % of it is left)"
    )


def _with_promises(folder: Path) -> World:
    return World(folder, (target(promises=PROMISES),))


def test_a_failure_that_gets_worse_is_told_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for _ in range(5):
            await world.minutes(11)
            await world.minutes(1, ttft_ms=900.0)
        await world.minutes(4, ttft_ms=900.0)

    told = {"windows": {"1d": DAY_S}}
    world = World(tmp_path, (target(promises=PROMISES),), (HOOK, PAGER), settings=told)
    lived(world, story)
    severities = [
        msgspec.json.decode(post.body)["incidents"][0]["severity"]
        for name, post in world.sent
        if name == "ops"
    ]
    assert severities[0] == "warning"
    assert "critical" in severities
    assert len(texts(world, "pager")) == 1


def test_what_goes_on_is_repeated(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(3, ttft_ms=None)
        await world.pass_s(2.5 * 3600, 60)

    world = lived(World(tmp_path, receivers=(named(repeat_s=3600.0),)), story)
    assert len(world.sent) == 3
    names = [post.headers["webhook-id"] for _, post in world.sent]
    assert len(set(names)) == 3


# -- receivers that do not answer, and restarts ----------------------------------------------


def test_a_receiver_that_is_away_is_told_later_and_the_others_hear_that_it_is(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        world.refuse = SinkError("refused by https://hooks.test/secret-path", later=True)
        await world.minutes(4, ttft_ms=None)
        assert ("ops", "webhook", "refused by ***") in world.alerts.receivers()
        await world.minutes(6)
        assert kinds(world.alerts) == ["monitor"]
        world.refuse = None
        await world.pass_s(600)
        assert kinds(world.alerts) == []

    world = lived(World(tmp_path, receivers=(HOOK, named(name="am", kind="alertmanager"))), story)
    (text,) = texts(world)
    assert text.startswith("resolved after ")
    assert f"| {CHAT}: down since" in text
    (trouble,) = [one.sentence for one in world.alerts.incidents() if one.kind == "monitor"]
    assert trouble.startswith("monitor: ops takes no alerts for ")
    assert trouble.endswith(", 1 wait: refused by ***")


def test_attempts_are_further_and_further_apart(tmp_path: Path) -> None:
    tried: list[float] = []

    async def story(world: World) -> None:
        def send(receiver: ReceiverConfig, post: object) -> None:
            tried.append(world.clock.monotonic_ns() / SECOND_NS)
            raise SinkError("HTTP 404", later=False)

        world.begin(send=send)
        await world.minutes(3, ttft_ms=None)
        await world.pass_s(6 * 3600)

    lived(World(tmp_path), story)
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits[0] <= 10.0
    assert sorted(waits[:8]) == waits[:8]
    assert 2700 <= max(waits) <= 3610


@pytest.mark.parametrize("killed", [True, False])
def test_a_restart_neither_doubles_nor_forgets(tmp_path: Path, killed: bool) -> None:
    async def story(world: World) -> None:
        await world.minutes(4, ttft_ms=None)
        assert len(world.sent) == 1
        if not killed:
            await world.alerts.close()
        world.begin().restore(Past([]))
        await world.pass_s(120)
        assert len(world.sent) == 1
        assert kinds(world.alerts) == ["down"]
        await world.minutes(2)

    world = lived(World(tmp_path), story)
    assert len(world.sent) == 2
    assert texts(world)[1].startswith("resolved after")
    assert len({incident.id for incident in world.alerts.incidents()}) == 1


def test_an_end_is_told_when_the_process_died_before_it_could_be(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(4, ttft_ms=None)
        world.refuse = SinkError("away", later=True)
        await world.minutes(2)
        world.begin().restore()
        world.refuse = None
        await world.pass_s(60)

    assert [text.count("resolved") for text in texts(lived(World(tmp_path), story))] == [0, 1]


def test_probes_after_the_last_note_of_the_state_are_read_from_the_history(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(2)
        rows = len(world.rows)
        for _ in range(3):
            world.clock.advance(5 * SECOND_NS)
            world.probe(ttft_ms=None)
        missing = world.rows[rows:]
        history = Past(missing)
        alerts = world.begin()
        alerts.restore(history)
        await world.pass_s(10)
        assert kinds(alerts) == ["down"]

    lived(World(tmp_path), story)


def test_a_torn_line_and_a_broken_state_are_no_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.alerts.restore()
        await world.minutes(4, ttft_ms=None)
        folder = tmp_path / "alerts"
        for name in ("incidents.jsonl", "notes.jsonl"):
            with (folder / name).open("ab") as file:
                file.write(b'{"incident":{"id":"tor')
        (folder / "standing.msgpack").write_bytes(b"\x81broken")
        world.begin().restore()
        assert kinds(world.alerts) == ["down"]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    lived(World(tmp_path), story)


def test_a_full_disk_is_said_and_what_it_missed_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async def story(world: World) -> None:
        await world.minutes(1)
        with monkeypatch.context() as patch:
            patch.setattr("llm_latency_lens.service.alerts.book.os.write", full)
            patch.setattr("llm_latency_lens.service.alerts.kept.write", full)
            patch.setattr(Path, "write_bytes", full)
            await world.minutes(4, ttft_ms=None)
            assert kinds(world.alerts) == ["down", "monitor"]
            world.alerts.note("start", "not lost")
        await world.pass_s(60)
        assert kinds(world.alerts) == ["down"]
        world.alerts.note("stop", "the next one")
        again = world.begin()
        assert kinds(again) == ["down"]
        assert [note.text for note in again.notes()][-2:] == ["not lost", "the next one"]

    world = lived(World(tmp_path), story)
    assert "monitor: the alerts cannot be written: No space left on device" in "".join(texts(world))


# -- the clock -------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_step_of_the_clock_is_noted_and_opens_nothing(tmp_path: Path, step_s: int) -> None:
    async def story(world: World) -> None:
        await world.minutes(60)
        world.clock.step_realtime(step_s * SECOND_NS)
        await world.minutes(60)
        assert world.alerts.incidents() == []
        await world.minutes(4, ttft_ms=None)
        assert "down" in kinds(world.alerts)
        await world.minutes(2)
        world.begin().restore()
        await world.minutes(2)

    world = lived(_with_promises(tmp_path), story)
    (note,) = [note for note in world.alerts.notes() if note.kind == "clock_step"]
    assert note.text == f"the clock was set {'forward' if step_s > 0 else 'back'} by 1 h 0 min"
    assert [text.count("down since") for text in texts(world)] == [1, 1]


# -- silences --------------------------------------------------------------------------------


def test_a_silence_hides_and_its_end_shows(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        now = world.clock.realtime_ns() / SECOND_NS
        silence = world.alerts.silence({"target": "ch*", "kind": "down"}, now + 1800, "work")
        await world.minutes(10, ttft_ms=None)
        assert world.sent == []
        assert kinds(world.alerts) == ["down"]
        world.begin().restore()
        assert world.alerts.silences() == [silence]
        await world.minutes(10, ttft_ms=None)
        assert world.sent == []
        await world.pass_s(900)

    world = lived(World(tmp_path), story)
    assert len(world.sent) == 1
    assert world.alerts.silences() == []


def test_what_was_told_before_a_silence_is_told_to_be_over_in_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(4, ttft_ms=None)
        silence = world.alerts.silence({"provider": "openai"}, 2e9 - 280e6)
        await world.minutes(3)
        assert len(world.sent) == 2
        await world.minutes(4, ttft_ms=None)
        assert len(world.sent) == 2
        assert world.alerts.unsilence(silence.id)
        assert not world.alerts.unsilence(silence.id)
        await world.pass_s(60)
        assert len(world.sent) == 3

    lived(World(tmp_path), story)


def test_silences_of_the_configuration(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        silences = (SilenceConfig(matchers={"label.team": "b*"}, comment="moved"),)
        world.alerts.configure(world.config(silences=silences))
        (shown,) = world.alerts.silences()
        assert (shown.id, shown.until_unix_s, shown.comment) == ("config-1", None, "moved")
        assert not world.alerts.unsilence(shown.id)
        await world.minutes(4, ttft_ms=None)

    silent = lived(World(tmp_path / "a", (target(labels={"team": "blue"}),)), story)
    loud = lived(World(tmp_path / "b", (target(labels={"team": "red"}),)), story)
    assert (len(silent.sent), len(loud.sent)) == (0, 1)


@pytest.mark.parametrize(
    ("matchers", "until", "wrong"),
    [
        ({}, 2e9, "needs one of target, kind"),
        ({"traget": "x"}, 2e9, "cannot match 'traget'"),
        ({"target": ""}, 2e9, "needs a pattern for target"),
        ({"target": "x"}, 1.0, "must end in the future"),
        ({"target": "x"}, 9e12, "within a year"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(
    tmp_path: Path, matchers: dict[str, str], until: float, wrong: str
) -> None:
    with pytest.raises(UsageError, match=wrong):
        World(tmp_path).alerts.silence(matchers, until - 280e6 if until == 2e9 else until)


# -- slower than it was ----------------------------------------------------------------------


async def _days(world: World, days: float, level: float = 400.0, seed: int = 1) -> None:
    """A probe every five minutes, which is quick to live through."""
    rng = Random(seed)
    for number in range(int(days * 288)):
        world.clock.advance(300 * SECOND_NS)
        world.probe(ttft_ms=level * exp(rng.gauss(0, 0.1)), gaps_ms=())
        if number % 12 == 11:
            await world.pass_s(1, 1)


def test_a_change_is_told_with_its_beginning_and_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_latency_lens.decide.shifts.STRETCH_S", 60.0)
    monkeypatch.setattr("llm_latency_lens.decide.shifts.ANSWERS", 2)

    async def story(world: World) -> None:
        await _days(world, 4)
        began = world.clock.realtime_ns() / SECOND_NS
        await _days(world, 0.5, 560.0, seed=2)
        await world.pass_s(60)
        (found,) = world.alerts.incidents(open_only=True)
        assert (found.kind, found.severity, found.what) == ("change", "warning", "ttft_ms")
        assert abs(found.since_unix_s - began) <= 1800
        assert found.figures["slower"] == pytest.approx(0.4, abs=0.1)
        world.begin().restore()
        await world.pass_s(60)
        assert kinds(world.alerts) == ["change"]
        await _days(world, 0.6, 560.0, seed=3)

    world = lived(World(tmp_path), story)
    told = texts(world)
    assert f"{CHAT}: TTFT p50 is " in told[0]
    assert "% slower since" in told[0]
    (incident,) = world.alerts.incidents()
    assert incident.ending == "it has been so for a day and counts as usual now"


def test_a_slow_hour_is_told_against_the_same_hour_of_the_days_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shifts, "add", lambda *_: None)

    async def story(world: World) -> None:
        await _days(world, 7.5)
        await _days(world, 1.5 / 24, 640.0, seed=2)
        await world.pass_s(60)
        (found,) = world.alerts.incidents(open_only=True)
        assert (found.kind, found.what) == ("anomaly", "ttft_ms")
        assert found.figures["days"] == 7
        world.begin().restore()
        await world.pass_s(20)
        assert kinds(world.alerts) == ["anomaly"]
        await _days(world, 3 / 24, seed=3)
        await world.pass_s(60)

    began, over = texts(lived(World(tmp_path), story))
    assert " slower in the hour from " in began
    assert "than in the same hour of the last 7 days" in began
    assert over.startswith("resolved after")


def test_nothing_is_learnt_where_anomalies_are_switched_off(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.alerts.configure(world.config(anomalies=False, burn_rates=False))
        await world.minutes(30)
        assert list(dict(world.alerts.told())["burn_rate"]) == []

    lived(World(tmp_path), story)


# -- the monitor's own trouble ---------------------------------------------------------------


def test_lost_rows_and_queues_that_grow_are_trouble(tmp_path: Path) -> None:
    history = SimpleNamespace(lost=0, error=None)
    push = SimpleNamespace(url="otlp+http://host", lost=0, error=None)
    told = {
        "history": SimpleNamespace(health=lambda: history),
        "pushes": SimpleNamespace(health=lambda: [push]),
    }

    async def story(world: World) -> None:
        await world.pass_s(60)
        assert kinds(world.alerts) == []
        history.lost, push.error = 7, "refused"
        await world.pass_s(200)
        assert [one.what for one in world.alerts.incidents(open_only=True)] == ["history"]
        await world.pass_s(200)
        assert [one.what for one in world.alerts.incidents(open_only=True)] == [
            "push otlp+http://host"
        ]
        push.error, push.lost, history.error = None, 2, "disk full"
        await world.pass_s(60)
        push.error, history.error = None, None
        await world.pass_s(600)
        assert kinds(world.alerts) == []

    sentences = {
        one.sentence for one in lived(World(tmp_path, told=told), story).alerts.incidents()
    }
    assert sentences == {
        "monitor: the history lost 7 rows since the start",
        "monitor: the history cannot be written: disk full",
        "monitor: the queue for otlp+http://host is full: 2 rows lost since the start",
    }


# -- Alertmanager ----------------------------------------------------------------------------


def test_alertmanager_hears_at_once_again_and_again_and_of_the_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(10, ttft_ms=None)
        await world.minutes(1)
        await world.pass_s(1800)

    world = lived(World(tmp_path, receivers=(ALERTMANAGER,)), story)
    (alerts,) = zip(*(msgspec.json.decode(post.body) for _, post in world.sent), strict=True)
    assert {post.path for _, post in world.sent} == {"/api/v2/alerts"}
    assert len({msgspec.json.encode(alert["labels"]) for alert in alerts}) == 1
    assert alerts[0]["labels"] == {
        "alertname": "LatencyLensTargetDown",
        "severity": "critical",
        "target": "chat",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "region": "eu-west",
    }
    begins = {alert["startsAt"] for alert in alerts}
    assert begins == {"2023-11-14T22:13:20.000+00:00"}
    open_for = [alert for alert in alerts if "resolved" not in alert["annotations"]["summary"]]
    over = [alert for alert in alerts if "resolved" in alert["annotations"]["summary"]]
    assert 8 <= len(open_for) <= 10
    assert 14 <= len(over) <= 16
    assert len({alert["endsAt"] for alert in over}) == 1


def test_what_was_found_over_a_month_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_latency_lens.service.alerts.book.KEPT", 5)
    monkeypatch.setattr("llm_latency_lens.service.alerts.book._SLACK", 3)

    async def story(world: World) -> None:
        for _ in range(12):
            for _ in range(3):
                world.probe(ttft_ms=None)
            await world.pass_s(60, 30)
            world.probe()
            await world.pass_s(60, 30)

    world = lived(World(tmp_path), story)
    assert len(world.alerts.incidents()) == 5
    assert len(world.begin().incidents()) <= 6
    assert len((tmp_path / "alerts/incidents.jsonl").read_bytes().splitlines()) <= 16
