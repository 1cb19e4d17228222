"""The load of a benchmark, checked and made a plan; and the accounts that a run keeps."""

from __future__ import annotations

import pytest
from fake_parts import REQUEST, decode

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.engine import Plan
from llm_latency_lens.engine.ledger import Ledger
from llm_latency_lens.engine.load import Load, check, make_plan
from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.record import Record
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline


def _made(load: Load) -> tuple[Plan, Context]:
    context = Context(id="run")
    plan = make_plan(
        load, context, lambda _: REQUEST, decode, first_token_s=2.5, secrets=(b"secret",)
    )
    return plan, context


# -- what can be sent -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ({"reqests": 1}, "no option 'reqests': did you mean requests?"),
        ({"arrival": "bursts"}, "arrival is 'bursts': it must be one of constant, poisson"),
        ({"connections": "hot"}, "connections is 'hot': it must be one of warm, cold"),
        ({"requests": 0}, "requests is 0: it must be at least 1"),
        ({"requests": -5}, "requests is -5: it must be at least 1"),
        ({"concurrency": 0}, "concurrency is 0: it must be at least 1"),
        ({"rate": 1.0, "max_concurrency": 0}, "max-concurrency is 0: it must be at least 1"),
        ({"rate": 0}, "rate is 0: it must be above 0"),
        ({"rate": -1.5}, "rate is -1.5: it must be above 0"),
        ({"rate": float("nan")}, "rate is nan: it must be above 0"),
        ({"rate": float("inf")}, "rate is inf: it must be above 0"),
        ({"duration_s": 0.0}, "duration is 0: it must be above 0"),
        ({"duration_s": float("inf")}, "duration is inf: it must be above 0"),
        ({"warmup": -1}, "warmup is -1: it cannot be negative"),
        ({"retries": -1}, "retries is -1: it cannot be negative"),
        ({"retries": 256}, "retries is 256: it cannot be above 255"),
        ({"grace_s": -0.5}, "grace is -0.5: it cannot be negative"),
        ({"grace_s": float("nan")}, "grace is nan: it cannot be negative"),
        (
            {"rate": 1.0, "concurrency": 2},
            "rate and concurrency exclude each other: a rate plans arrivals (bounded by "
            "max-concurrency), concurrency keeps so many requests under way",
        ),
        (
            {"respect_rate_limits": True},
            "respect-rate-limits goes with a rate: a closed loop has no planned times to keep",
        ),
        (
            {"max_concurrency": 2},
            "max-concurrency goes with a rate; a closed loop takes concurrency",
        ),
    ],
)
def test_a_load_that_cannot_be_sent(load: Load, message: str) -> None:
    for attempt in (lambda: check(load), lambda: _made(load)):
        with pytest.raises(UsageError) as caught:
            attempt()
        assert str(caught.value) == message


@pytest.mark.parametrize(
    "load",
    [
        {},
        {"requests": 1, "duration_s": 0.1, "concurrency": 1},
        {"rate": 0.001, "max_concurrency": 1, "warmup": 0, "retries": 0, "grace_s": 0},
        {"requests": None, "duration_s": None, "concurrency": None, "rate": None},
        {"retries": 255},
        {"rate": 1.0, "respect_rate_limits": True},
        {"respect_rate_limits": False},
    ],
)
def test_a_load_that_can(load: Load) -> None:
    check(load)
    _made(load)


def test_objectives_are_read_before_anything_is_sent() -> None:
    _, context = _made({"objectives": ["ttft_ms<800"]})
    assert context.objectives == ("ttft_ms<800",)
    with pytest.raises(UsageError, match="nonsense"):
        check({"objectives": ["nonsense"]})


def test_the_plain_load_is_a_hundred_requests_one_at_a_time() -> None:
    plan, context = _made({})
    assert (plan.requests, plan.concurrency, plan.schedule) == (100, 1, None)
    assert (plan.duration_ns, plan.warmup, plan.retries, plan.grace_s) == (None, 0, 0, 5.0)
    assert (plan.run_id, plan.first_token_s, plan.offered_rate) == ("run", 2.5, None)
    assert plan.secrets == (b"secret",)
    assert plan.decode is decode
    assert plan.workload(None) is REQUEST
    assert (context.mode, context.concurrency, context.planned) == ("closed", 1, 100)
    assert (context.offered_rate, context.warmup, context.seed) == (None, 0, 0)


def test_a_duration_takes_the_place_of_the_hundred() -> None:
    plan, context = _made({"duration_s": 0.25, "concurrency": 7, "warmup": 3, "retries": 2})
    assert (plan.requests, plan.duration_ns, plan.concurrency) == (None, SECOND_NS // 4, 7)
    assert (plan.warmup, plan.retries) == (3, 2)
    assert (context.planned, context.concurrency, context.warmup) == (None, 7, 3)
    plan, _ = _made({"duration_s": 1.0, "requests": 5})
    assert (plan.requests, plan.duration_ns) == (5, SECOND_NS)


def test_a_rate_makes_an_open_loop() -> None:
    plan, context = _made({"rate": 4.0, "requests": 3, "grace_s": 1.5})
    assert plan.schedule is not None
    assert [plan.schedule(number) for number in range(4)] == [
        0,
        SECOND_NS // 4,
        SECOND_NS // 2,
        None,
    ]
    assert (plan.concurrency, plan.offered_rate, plan.grace_s) == (None, 4.0, 1.5)
    assert (context.mode, context.offered_rate, context.planned) == ("open", 4.0, 3)
    plan, context = _made({"rate": 4.0, "duration_s": 0.6, "max_concurrency": 9})
    assert plan.schedule is not None
    assert plan.schedule(2) == SECOND_NS // 2
    assert plan.schedule(3) is None
    assert (plan.concurrency, context.concurrency, context.planned) == (9, 9, None)


def test_a_poisson_process_is_seeded() -> None:
    def offsets(seed: int) -> list[int | None]:
        plan, context = _made({"rate": 10.0, "arrival": "poisson", "seed": seed, "requests": 20})
        assert context.seed == seed
        assert plan.schedule is not None
        return [plan.schedule(number) for number in range(21)]

    assert offsets(1) == offsets(1) != offsets(2)
    assert offsets(1)[-1] is None


# -- the accounts -----------------------------------------------------------------------------


def _ended(status: int | None = 200, kind: ErrorKind | None = None, index: int = 0) -> Timeline:
    timeline = Timeline(index=index)
    timeline.status = status
    timeline.start_ns = 0
    timeline.add(5_000_000, b"x")
    timeline.add(7_000_000, b"y")
    if kind:
        timeline.fail(kind, Stage.STREAM, "no")
    return timeline


def test_the_ledger_counts_by_cause() -> None:
    ledger = Ledger(decode)
    for timeline in (
        _ended(),
        _ended(),
        _ended(429),
        _ended(429),
        _ended(500),
        _ended(200, ErrorKind.NETWORK),
        _ended(None, ErrorKind.TIMEOUT),
        _ended(200, ErrorKind.CANCELLED),
    ):
        ledger.add(timeline)
    assert (ledger.ok, ledger.failed, ledger.cancelled) == (2, 5, 1)
    assert ledger.errors == {"rate_limit": 2, "server": 1, "network": 1, "timeout": 1}


def test_thousands_that_fail_alike_are_decoded_once() -> None:
    decoded: list[Timeline] = []

    def counting(timeline: Timeline) -> Record:
        decoded.append(timeline)
        return decode(timeline)

    ledger = Ledger(counting)
    for number in range(1000):
        ledger.add(_ended((429, 500)[number % 2]))
    assert len(decoded) == 2
    assert ledger.errors == {"rate_limit": 500, "server": 500}


def test_an_answer_that_is_no_success_and_no_error_is_one_of_the_protocol() -> None:
    def content(_: Timeline) -> Record:
        return decode(_ended())

    ledger = Ledger(content)
    ledger.add(_ended(204))
    assert ledger.errors == {"protocol": 1}


def test_only_the_newest_answers_are_decoded_for_the_display() -> None:
    decoded: list[int] = []

    def counting(timeline: Timeline) -> Record:
        decoded.append(timeline.index)
        return decode(timeline)

    ledger = Ledger(counting)
    for number in range(100):
        ledger.add(_ended(index=number))
    while len(decoded) < 16:  # two milliseconds of a busy machine may not reach for all of them
        ledger.decode_sample()
    assert sorted(decoded) == list(range(84, 100))
    ledger.decode_sample()
    assert len(decoded) == 16
    assert ledger.decode_ms > 0
    plan, _ = _made({})
    progress = ledger.progress(plan, SECOND_NS, 0, warming=False, draining=False)
    assert progress.live.ttft_ms(0.5) == 5
    assert progress.live.itl_ms(0.5) == 2


def test_a_decoding_that_takes_long_is_broken_off() -> None:
    decoded: list[Timeline] = []

    def slow(timeline: Timeline) -> Record:
        decoded.append(timeline)
        for _ in range(200_000):
            pass
        return decode(timeline)

    ledger = Ledger(slow)
    for _ in range(16):
        ledger.add(_ended())
    ledger.decode_sample()
    assert 1 <= len(decoded) < 16


def test_an_answer_that_turns_out_to_have_failed_is_not_shown() -> None:
    def failing(timeline: Timeline) -> Record:
        record = decode(timeline)
        record.status = type(record.status).FAILED
        return record

    ledger = Ledger(failing)
    ledger.add(_ended())
    ledger.decode_sample()
    plan, _ = _made({})
    progress = ledger.progress(plan, 0, 0, warming=False, draining=False)
    assert progress.live.ttft_ms(0.5) is None
    assert (progress.rate, progress.ok) == (0.0, 1)
