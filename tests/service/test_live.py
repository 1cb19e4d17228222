"""How targets stand, from what came lately."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from probed import BEGAN, HOUR, MS, SECOND, failure, probe, refused, target

from llm_latency_lens.record import Status
from llm_latency_lens.service.config import RetentionConfig
from llm_latency_lens.service.history import History
from llm_latency_lens.service.live import SPARK, Live, TargetNow
from llm_latency_lens.service.probe import Probe
from llm_latency_lens.testing.clock import FakeClock


def made(*names: str) -> tuple[Live, FakeClock]:
    clock = FakeClock(realtime_ns=BEGAN)
    labels = {"team": "search"}
    live = Live([target(name, labels=labels, region="eu") for name in names or ("chat",)], clock)
    return live, clock


def one(live: Live) -> TargetNow:
    (found,) = live.overview()
    return found


def minutes(live: Live, clock: FakeClock, *probes: Probe) -> None:
    for told in probes:
        live(Probe(_at(told, clock), told.record))
        clock.advance(60 * SECOND)


def _at(told: Probe, clock: FakeClock):
    told.row.at_unix_ns = clock.realtime_ns()
    return told.row


def test_nothing_is_known_of_a_target_without_a_probe():
    live, _ = made()
    assert one(live) == TargetNow(
        name="chat", provider="openai", model="m", region="eu", labels={"team": "search"}
    )
    assert live.target("other") is None


def test_figures_of_the_last_hour_and_day():
    live, clock = made()
    minutes(live, clock, *(probe(n, ttft_ms=100.0 + n) for n in range(40)), failure(), failure())
    found = one(live)
    assert (found.state, found.failed_in_a_row, found.probes_1h) == ("up", 2, 42)
    assert found.availability_1h == found.availability_24h == 40 / 42
    assert (found.p50_ms, found.p95_ms) == (119.5, pytest.approx(137.05))
    assert found.sparkline == [*(100.0 + n for n in range(40)), None, None]
    assert found.cost_today_usd == Decimal("0.0040")
    assert found.last is not None
    assert found.last.error_kind == "timeout"
    clock.advance(HOUR)
    found = one(live)
    assert (found.probes_1h, found.availability_1h, found.p50_ms) == (0, None, None)
    assert found.availability_24h == 40 / 42
    assert len(found.sparkline) == 42
    assert found.cost_today_usd is None  # it is another day
    minutes(live, clock, *(probe(n) for n in range(SPARK + 5)))
    assert one(live).sparkline == [200.0] * SPARK
    assert one(live).availability_24h == 105 / 107
    clock.advance(25 * HOUR)
    assert one(live).availability_24h is None
    assert len(live._seen["chat"].at_s) == SPARK


def test_down_after_three_failures_up_after_one_answer_unknown_after_silence():
    live, clock = made()
    states = []
    for told in (probe(), failure(), refused(), failure(), probe()):
        minutes(live, clock, told)
        states.append(one(live).state)
    assert states == ["up", "up", "up", "down", "up"]
    clock.advance(160 * SECOND)
    assert one(live).state == "unknown"
    assert list(live.standing()) == [("chat", "unknown", {"1h": 2 / 5, "24h": 2 / 5})]


def test_a_cancelled_probe_is_neither_good_nor_bad():
    live, clock = made()
    minutes(live, clock, probe(), failure(status=Status.CANCELLED, error=None))
    assert (one(live).availability_1h, one(live).failed_in_a_row) == (1.0, 0)
    assert one(live).sparkline == [200.0]


def test_targets_that_stay_are_still_known_after_a_reload():
    live, clock = made("a", "b")
    minutes(live, clock, probe(0, "a"), probe(0, "b"), probe(0, "gone"))
    live.retarget([target("b", model="n"), target("c")], down_after=1)
    states = [(now.name, now.model, now.state) for now in live.overview()]
    assert states == [("b", "n", "up"), ("c", "m", "unknown")]
    minutes(live, clock, failure(1, "b"))
    assert live.overview()[0].state == "down"


def test_restored_from_rows_or_from_a_history_it_is_as_it_was(tmp_path: Path):
    live, clock = made("chat", "code")
    history = History(tmp_path, RetentionConfig(), clock)
    rows = []
    for minute in range(130):
        for name in ("chat", "code"):
            told = (failure if minute % 7 == 0 else probe)(minute, name, clock.realtime_ns())
            live(told)
            history.add(told.row)
            rows.append(told.row)
        clock.advance(60 * SECOND)
    clock.advance(30 * MS)
    from_rows = Live([target("chat"), target("code")], clock)
    from_rows.restore(rows)
    from_history = Live([target("chat"), target("code")], clock)
    from_history.recall(history)
    history.close()
    wanted = [_shown(now) for now in live.overview()]
    assert [_shown(now) for now in from_rows.overview()] == wanted
    assert [_shown(now) for now in from_history.overview()] == wanted


def _shown(now: TargetNow) -> tuple[object, ...]:
    assert now.last is not None
    return (
        *(now.name, now.state, now.last.id, now.sparkline[-50:], now.probes_1h, now.p50_ms),
        *(now.p95_ms, now.availability_1h, now.availability_24h, now.cost_today_usd),
    )
