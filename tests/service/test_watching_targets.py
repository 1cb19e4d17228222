"""Targets on watch, for hours that take no time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from watched import DOLLAR_A_TOKEN, Answers, Watched, config, target

from llm_latency_lens.clock import SECOND_NS, SystemClock
from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Secret
from llm_latency_lens.service.probing import Prober
from llm_latency_lens.store.prices import open_book

DAY_S = 86_400


def _run(watched: Watched, seconds: float) -> None:
    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(seconds)
        await watch.stop(1.0)

    watched.clock.run(main())


def test_probes_come_by_the_timetable_and_say_nothing_of_what_was_said() -> None:
    watched = Watched(target())
    _run(watched, 45)
    assert watched.at_s() == [0, 10, 20, 30, 40]
    row = watched.rows[2]
    assert (row.status, row.ttft_ms, row.e2e_ms, row.start_lag_ms) == ("ok", 200.0, 200.0, 0.0)
    assert (row.input_tokens, row.output_tokens) == (5, 2)
    assert len({row.id for row in watched.rows}) == 5
    assert not watched.texts
    assert watched.answers.closed


def test_targets_do_not_begin_together() -> None:
    watched = Watched(*(target(str(number)) for number in range(20)))
    _run(watched, 9.99)
    begun = sorted(watched.at_s(str(number))[0] for number in range(20))
    assert begun[0] == 0.0
    assert min(b - a for a, b in pairwise(begun)) > 0.2


def test_one_that_takes_too_long_leaves_out_the_next_and_says_so() -> None:
    watched = Watched(target())
    watched.answers.takes_s = lambda _: 25.0 if len(watched.answers.requests) == 2 else 0.2
    counts = []

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(55)
        counts.append(watch.standing("a"))
        await watch.stop(1.0)

    watched.clock.run(main())
    assert watched.at_s() == [0, 10, 40, 50]
    assert counts[0].late == 2
    assert counts[0].next_unix_s == 1_700_000_060


def test_after_a_standstill_nothing_is_made_up_for() -> None:
    watched = Watched(*(target(str(number)) for number in range(5)))

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(12)
        before = len(watched.rows)
        watched.clock.advance(35 * SECOND_NS)  # the process was stopped
        await watched.pass_s(0.0)
        assert len(watched.answers.requests) <= before + 2
        late = sum(found.late for name in "01234" if (found := watch.standing(name)))
        assert late >= 13
        await watched.pass_s(12)
        await watch.stop(1.0)

    watched.clock.run(main())
    for name in "01234":
        times = watched.at_s(name)
        phase_s = times[0]
        assert times[-1] >= 47
        assert [round((at - phase_s) % 10, 6) for at in times] == [0.0] * len(times)


def test_a_refusal_that_asks_to_wait_is_kept_to() -> None:
    watched = Watched(target())
    answers = watched.answers
    standings = []

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(5)
        answers.status, answers.headers = 429, {"retry-after": "30"}
        await watched.pass_s(10)
        answers.status, answers.headers = 200, {}
        standings.append(watch.standing("a"))
        with pytest.raises(UsageError, match="holds a back for 25 s"):
            await watch.probe_now("a")
        await watched.pass_s(50)
        standings.append(watch.standing("a"))
        await watch.stop(1.0)

    watched.clock.run(main())
    assert watched.at_s() == [0, 10, 50, 60]
    assert watched.rows[1].error_kind == "rate_limit"
    assert standings[0].held_until_unix_s == pytest.approx(1_700_000_040.2)
    assert (standings[1].held_until_unix_s, standings[1].held_back) == (None, 3)


def test_a_limit_that_is_used_up_is_waited_for() -> None:
    watched = Watched(target())
    watched.answers.headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "15s",
    }
    _run(watched, 45)
    assert watched.at_s() == [0, 20, 40]


def test_the_day_s_money_ends_the_probes_until_midnight() -> None:
    book = open_book(DOLLAR_A_TOKEN)
    watched = Watched(target(interval_s=3600.0, max_cost_usd_per_day=Decimal(37)), book=book)
    watched.clock.step_realtime((DAY_S - 1_700_000_000 % DAY_S) * SECOND_NS)
    standings = []

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(8 * 3600)
        standings.append(watch.standing("a"))
        with pytest.raises(UsageError, match="may cost today is spent"):
            await watch.probe_now("a")
        await watched.pass_s(18.5 * 3600)
        standings.append(watch.standing("a"))
        await watch.stop(1.0)

    watched.clock.run(main())
    hours = [round((row.at_unix_ns // SECOND_NS % DAY_S) / 3600) for row in watched.rows]
    # Two dollars each, and the next may cost 32: after the third it would not fit.
    assert hours == [0, 1, 2, 0, 1, 2]
    assert standings[0].out_of_money
    assert standings[0].spent_usd_today == 6
    assert standings[0].unpaid == 5
    assert standings[1].unpaid == 22


def test_money_for_all_is_shared() -> None:
    book = open_book(DOLLAR_A_TOKEN)
    watched = Watched(target("a"), target("b"), book=book, max_cost_usd_per_day=Decimal(39))
    _run(watched, 60)
    assert len(watched.rows) == 4


def test_a_probe_of_which_nobody_says_the_cost_counts_with_the_most() -> None:
    watched = Watched(target(max_cost_usd_per_day=Decimal(40)), book=open_book(DOLLAR_A_TOKEN))
    watched.answers.usage = {}
    _run(watched, 60)
    assert [row.cost_usd for row in watched.rows] == [None]


def test_what_reached_nobody_costs_nothing() -> None:
    watched = Watched(target(max_cost_usd_per_day=Decimal(33)), book=open_book(DOLLAR_A_TOKEN))
    watched.answers.lost = "the name of api.example.com is not known"
    _run(watched, 45)
    assert [row.error_kind for row in watched.rows] == ["network"] * 5
    assert watched.rows[0].error_stage == "resolve"


def test_a_new_configuration_leaves_what_did_not_change_alone() -> None:
    watched = Watched(target("a"), target("b"), target("c"))

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(12)
        changed = replace(watched.config.targets[1], max_tokens=7)
        watch.apply(config(watched.config.targets[0], changed, target("d")), watched.book)
        assert watch.standing("c") is None
        await watched.pass_s(20)
        await watch.stop(1.0)

    watched.clock.run(main())
    assert watched.at_s("a") == [0, 10, 20, 30]
    begun = watched.at_s("b")[0]
    assert watched.at_s("b") == [begun, begun + 10, begun + 20]
    assert len(watched.at_s("c")) == 1
    assert watched.at_s("d")[0] >= 12
    assert watched.rows[-1].target in ("a", "b", "d")


def test_a_target_that_leaves_may_end_its_probe() -> None:
    watched = Watched(target("a"), target("b"))
    watched.answers.takes_s = lambda _: 8.0

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(1)
        watch.apply(config(target("b")), watched.book)
        await watched.pass_s(30)
        await watch.stop(1.0)

    watched.clock.run(main())
    assert [row.status for row in watched.rows if row.target == "a"] == ["ok"]


def test_a_stop_lets_probes_end_and_then_cuts_them_off() -> None:
    watched = Watched(target("quick"), target("slow", interval_s=10.0))
    watched.answers.takes_s = lambda _: 30.0
    ended = []

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(7)
        watched.answers.takes_s = lambda _: 0.1
        await watch.stop(5.0)
        ended.append(watched.clock.monotonic_ns() / SECOND_NS)

    watched.clock.run(main())
    assert ended == [12.0]
    assert [(row.status, row.error_kind) for row in watched.rows] == [
        ("cancelled", "cancelled")
    ] * 2
    assert {row.error_stage for row in watched.rows} == {"wait"}


def test_the_clock_may_be_set_forward_and_back_by_an_hour() -> None:
    watched = Watched(target())

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(15)
        watched.clock.step_realtime(3600 * SECOND_NS)
        await watched.pass_s(20)
        watched.clock.step_realtime(-7200 * SECOND_NS)
        await watched.pass_s(20)
        await watch.stop(1.0)

    watched.clock.run(main())
    assert watched.at_s() == [0, 10, 3620, 3630, -3560, -3550]


def test_a_clock_that_is_set_within_a_probe_is_noted_with_it() -> None:
    watched = Watched(target())

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(0.1)
        watched.clock.step_realtime(3600 * SECOND_NS)
        await watched.pass_s(1)
        await watch.stop(1.0)

    watched.clock.run(main())
    assert (watched.rows[0].ttft_ms, watched.rows[0].clock_step_ms) == (200.0, 3_600_000.0)


def test_a_person_may_ask_at_any_time() -> None:
    watched = Watched(target())

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(3)
        row = await watch.probe_now("a")
        assert (row.asked_for, row.status, row.start_lag_ms) == (True, "ok", None)
        await watched.pass_s(6.25)
        asked = asyncio.create_task(watch.probe_now("a"))  # the schedule's own must wait for it
        await watched.pass_s(5)
        await asked
        with pytest.raises(UsageError, match="no target is named 'other'"):
            await watch.probe_now("other")
        await watch.stop(1.0)

    watched.answers.takes_s = lambda _: 0.5
    watched.clock.run(main())
    assert [row.asked_for for row in watched.rows] == [False, True, True, False]
    assert watched.rows[-1].start_lag_ms == pytest.approx(250.0, abs=1.0)


def test_a_key_is_taken_up_with_the_next_probe(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("first-key")
    watched = Watched(target(api_key=None, api_key_file=tmp_path / "key"))

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(5)
        (tmp_path / "new").write_text("second-key")
        (tmp_path / "new").rename(tmp_path / "key")
        await watched.pass_s(10)
        await watch.stop(1.0)

    watched.clock.run(main())
    sent = [dict(request.headers)["authorization"] for request in watched.answers.requests]
    assert sent == ["Bearer first-key", "Bearer second-key"]


def test_without_a_key_the_probe_fails_and_the_next_tries_again() -> None:
    watched = Watched(target(api_key=None, api_key_env="THE_KEY"))

    async def main() -> None:
        watch = watched.start()
        await watched.pass_s(5)
        watched.environ["THE_KEY"] = "now-there"
        await watched.pass_s(10)
        await watch.stop(1.0)

    watched.clock.run(main())
    assert [row.error_kind for row in watched.rows] == ["auth", None]
    assert watched.rows[0].error == "api_key_env: the variable THE_KEY is not set"


def test_a_key_that_a_server_sends_back_is_blanked() -> None:
    watched = Watched(target(api_key=Secret("sk-very-secret")))
    watched.answers.status = 500
    watched.answers._body = lambda: [b'{"error": {"message": "bad key sk-very-secret"}}']  # type: ignore[method-assign]
    _run(watched, 5)
    assert watched.rows[0].error == "bad key **************"


def test_a_mistake_of_this_program_does_not_end_the_watch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = Watched(target())
    take, failing = watched._take, [True, False]

    def once(probe: object) -> None:
        if failing.pop(0) if failing else False:
            raise RuntimeError("a bug")
        take(probe)

    watched._take = once  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        _run(watched, 15)
    assert watched.at_s() == [10]
    assert "a probe of a could not be made" in caplog.text


def test_a_cloud_is_asked_who_one_is_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's own library finds the keys, in a thread; each request is signed when it is sent."""
    environ = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "very-secret"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    clock = SystemClock()
    answers = Answers(clock)
    answers.takes_s = lambda _: 0.0
    here = target(
        provider="bedrock",
        model="anthropic.claude-3-haiku-20240307-v1:0",
        base_url="https://bedrock.example",
        api_key=None,
        region="eu-central-1",
    )

    async def main() -> None:
        prober = Prober(here, ways=answers, book=open_book(), clock=clock, environ=environ, run="r")
        looked = asyncio.create_task(prober.prepare())
        await asyncio.sleep(0)
        assert not looked.done()  # the loop goes on meanwhile
        await looked
        probe = await prober.probe(clock.monotonic_ns())
        assert probe.row.region == "eu-central-1"
        assert "very-secret" not in repr(probe)
        prober.close()

    asyncio.run(main())
    headers = dict(answers.requests[0].headers)
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
